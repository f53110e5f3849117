"""Page on which a visitor describes a test case field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from bouquet_portal import search
from bouquet_portal.bac_a_sable import answer_form, case_file, case_form, form
from bouquet_portal.bac_a_sable.case_form import DATA, META, ProposedCase
from bouquet_portal.bac_a_sable.explorer import MODALITIES
from bouquet_portal.bac_a_sable.placed_faults import PlacedFault, place_faults
from bouquet_portal.bac_a_sable.views.contents import SandboxContents, limit, with_sandbox_contents
from bouquet_portal.bac_a_sable.views.proposal import MAX_CASE_BYTES, as_file, yaml_page
from bouquet_portal.documents.client import GatewayError
from bouquet_portal.documents.model import ErrorCode, Operation
from bouquet_portal.rate_limit import address_of

PAGE = "bac_a_sable/case_form.html"


@require_http_methods(["GET", "HEAD", "POST"])
@with_sandbox_contents
def case_form_page(request: HttpRequest, contents: SandboxContents) -> HttpResponse:
    """Shows the form in which a visitor describes a test case, or a list of operations if none is chosen. A submitted
    form is checked, returned as a file, or shown as YAML; the portal does not store it."""
    given = request.POST if request.method == "POST" else request.GET
    chosen = next((one for one in contents.operations if one.id == given.get("operation")), None)
    if chosen is None:
        return render(request, PAGE, {"topics": _topics(contents)})
    if chosen.version == "v2":
        return redirect(f"{reverse('sandbox_proposal')}?{request.GET.urlencode()}")
    operation = case_file.with_own_parameters(chosen, contents.operations)
    reading = contents.sandbox.errors.latest()
    known = reading.value if reading else ()
    errors = case_form.errors_of(operation, known)
    if request.method != "POST":
        found = contents.cases.value.case(f"{operation.id}/{given.get('cas', '')}")
        return _shown(request, contents, case_form.initial_case(operation, found, errors), errors)
    proposed = case_form.case_from_form(request.POST, operation, errors)
    if "download" in request.POST:
        return as_file(proposed.text, request.POST.get("name", ""))
    if "yaml" in request.POST:
        return yaml_page(request, contents, operation, proposed.text)
    if "longer" in request.POST:
        return _shown(request, contents, proposed, errors)
    return _checked(request, contents, proposed, errors, known)


def _checked(
    request: HttpRequest,
    contents: SandboxContents,
    proposed: ProposedCase,
    errors: tuple[ErrorCode, ...],
    known: tuple[ErrorCode, ...],
) -> HttpResponse:
    if len(proposed.text.encode()) > MAX_CASE_BYTES:
        too_large = (PlacedFault("", "Le cas dépasse 64 Kio."),)
        return _shown(request, contents, proposed, errors, faults=too_large, status=422)
    if not limit().allows(address_of(request)):
        return render(request, "bac_a_sable/too_many.html", status=429)
    try:
        report = contents.sandbox.check(proposed.operation.id, proposed.text)
    except (GatewayError, ValueError):
        return _shown(request, contents, proposed, errors, {"is_away": True}, status=502)
    faults = tuple(dict.fromkeys(place_faults(report.faults, proposed, known)))
    return _shown(request, contents, proposed, errors, {"report": report}, faults, status=422 if faults else 200)


def _shown(
    request: HttpRequest,
    contents: SandboxContents,
    proposed: ProposedCase,
    errors: tuple[ErrorCode, ...],
    more: Mapping[str, Any] | None = None,
    faults: tuple[PlacedFault, ...] = (),
    status: int = 200,
) -> HttpResponse:
    operation = proposed.operation
    texts: dict[str, list[str]] = {}
    for fault in faults:
        texts.setdefault(fault.input_name, []).append(fault.text)
    inputs = list(form.inputs(operation, proposed.asked, texts))
    longer = request.POST.get("longer", "")
    entries = (
        *answer_form.entries(operation.fields, proposed.data, texts, DATA, longer),
        *answer_form.entries(operation.meta, proposed.meta, texts, META, longer),
    )
    ids = {one.parameter.name: one.first_id for one in inputs}
    ids |= {one.path: one.id for entry in entries for one in entry.walk()}
    context = {
        "operation": operation,
        "modality": MODALITIES.get(operation.modality, operation.modality),
        "proposed": proposed,
        "name": request.POST.get("name", ""),
        "inputs": inputs,
        "entries": entries,
        "answers": [(case_form.choice_of(one), one, one == proposed.error) for one in errors],
        "faults": [(ids.get(fault.input_name, ""), fault) for fault in faults],
        "cases": [one for one in contents.cases.value.cases if one.operation_id == operation.id and one.parameters],
    }
    return render(request, PAGE, context | dict(more or {}), status=status)


def _topics(contents: SandboxContents) -> dict[str, list[tuple[Operation, str]]]:
    """Returns the operations for which a test case may be proposed, grouped by their French title. Each operation comes
    with the French name of its modality (way to identify the person)."""
    topics: dict[str, list[tuple[Operation, str]]] = {}
    for one in contents.operations:
        if not one.is_deprecated and one.version != "v2":
            topics.setdefault(one.title, []).append((one, MODALITIES.get(one.modality, one.modality)))
    return dict(sorted(topics.items(), key=lambda topic: search.simplified(topic[0])))
