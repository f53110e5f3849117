"""Page on which a visitor writes a new test case for the sandbox as YAML. The page shows the test case's faults."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from bouquet_portal.bac_a_sable import case_file
from bouquet_portal.bac_a_sable.faults import in_french
from bouquet_portal.bac_a_sable.sandbox import Report
from bouquet_portal.bac_a_sable.views.contents import SandboxContents, limit, with_sandbox_contents
from bouquet_portal.documents.client import GatewayError
from bouquet_portal.documents.model import Operation
from bouquet_portal.rate_limit import address_of

MAX_CASE_BYTES = 64 * 1024
"""Largest size, in bytes, of a case file that the sandbox checks."""
FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}")


@require_http_methods(["GET", "HEAD", "POST"])
@with_sandbox_contents
def proposal(request: HttpRequest, contents: SandboxContents) -> HttpResponse:
    """Shows the page on which a visitor writes a new test case for the sandbox. A submitted test case is checked by the
    sandbox or returned as a file; the portal does not store it."""
    operation_id = (request.POST if request.method == "POST" else request.GET).get("operation", "")
    operation = next((one for one in contents.operations if one.id == operation_id), None)
    context = _context(contents, operation, _initial_text(request, operation, contents))
    if request.method != "POST":
        return render(request, "bac_a_sable/proposal.html", context)
    text = request.POST.get("text", "").replace("\r\n", "\n")
    name = request.POST.get("name", "")
    context |= {"text": text, "name": name}
    if "download" in request.POST:
        return as_file(text, name)
    return _checked(request, contents, operation, text, context)


def as_file(text: str, name: str) -> HttpResponse:
    """Returns the text of a test case as a file to download. The file is called `name`, or `200_proposition` if `name`
    is invalid."""
    response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    file = name if FILE_NAME.fullmatch(name) else "200_proposition"
    response["Content-Disposition"] = f'attachment; filename="{file}.yaml"'
    return response


def yaml_page(request: HttpRequest, contents: SandboxContents, operation: Operation, text: str) -> HttpResponse:
    """Shows the page of YAML with `text`, the test case that the visitor has described in the form."""
    return render(request, "bac_a_sable/proposal.html", _context(contents, operation, text))


def _context(contents: SandboxContents, operation: Operation | None, text: str) -> dict[str, Any]:
    chosen = operation.id if operation else ""
    offered = [one for one in contents.operations if not one.is_deprecated or one.id == chosen]
    return {"operations": offered, "operation": operation, "text": text}


def _checked(
    request: HttpRequest, contents: SandboxContents, operation: Operation | None, text: str, context: dict[str, Any]
) -> HttpResponse:
    if operation is None:
        return _refused(request, context, "operation", "Choisissez l'opération à laquelle le cas est destiné.")
    if not text.strip():
        return _refused(request, context, "text", "Écrivez ou collez le cas.")
    if len(text.encode()) > MAX_CASE_BYTES:
        return _refused(request, context, "text", "Le cas dépasse 64 Kio.")
    if not limit().allows(address_of(request)):
        return render(request, "bac_a_sable/too_many.html", status=429)
    try:
        report = contents.sandbox.check(operation.id, text)
    except (GatewayError, ValueError):
        return render(request, "bac_a_sable/proposal.html", context | {"is_away": True}, status=502)
    context |= {"report": report, "faults": _in_french(report), "lines": _numbered(text, report)}
    return render(request, "bac_a_sable/proposal.html", context)


def _refused(request: HttpRequest, context: dict[str, Any], field: str, text: str) -> HttpResponse:
    return render(
        request, "bac_a_sable/proposal.html", context | {"wrong_field": field, "wrong_text": text}, status=422
    )


def _in_french(report: Report) -> list[tuple[int, str, str]]:
    return [(fault.line, fault.path, in_french(fault.message)) for fault in report.faults]


def _numbered(text: str, report: Report) -> list[tuple[int, str, list[str]]]:
    """Returns the lines of a proposed test case, each with its number and the texts of its faults."""
    faults: dict[int, list[str]] = {}
    for fault in report.faults:
        faults.setdefault(fault.line, []).append(in_french(fault.message))
    return [(number, line, faults.get(number, [])) for number, line in enumerate(text.split("\n"), start=1)]


def _initial_text(request: HttpRequest, operation: Operation | None, contents: SandboxContents) -> str:
    """Returns the first text of the page's text box: the test case that the URL parameter `cas` names, or else a draft.
    Returns "" if the visitor has chosen no operation."""
    # The draft has the operation's parameters and an empty answer.
    if operation is None:
        return ""
    found = contents.cases.value.case(f"{operation.id}/{request.GET.get('cas', '')}")
    if found and found.parameters:
        return case_file.of_case(found)
    return case_file.for_operation(case_file.with_own_parameters(operation, contents.operations))
