"""Pages of the sandbox explorer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from msgspec import Struct

from bouquet_portal.bac_a_sable import case_file, explorer, form
from bouquet_portal.bac_a_sable.cases import Asked, Case, Cases, matching
from bouquet_portal.bac_a_sable.faults import in_french
from bouquet_portal.bac_a_sable.fields import states_of
from bouquet_portal.bac_a_sable.sandbox import Call, Report, Result, Sandbox, sandbox
from bouquet_portal.bac_a_sable.snippets import snippets
from bouquet_portal.documents.client import GatewayError
from bouquet_portal.documents.kept import Reading
from bouquet_portal.documents.model import Operation
from bouquet_portal.rate_limit import RateLimit
from bouquet_portal.site import site

P = ParamSpec("P")

MOST_CASE_BYTES = 64 * 1024
"""Largest size, in bytes, of a case file that the sandbox checks."""
FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}")
CALLS_PER_MINUTE = 60
"""Calls to the sandbox that one address may make per minute from these pages."""


class Shown(Struct, frozen=True):
    """Sandbox gateway, together with its cases and operations as the portal last read them."""

    sandbox: Sandbox
    cases: Reading[Cases]
    operations: tuple[Operation, ...]

    def operation(self, id: str) -> Operation:
        """Returns an operation by its id. Raises `Http404` for an unknown one."""
        found = next((operation for operation in self.operations if operation.id == id), None)
        if found is None:
            raise Http404
        return found


@cache
def limit() -> RateLimit:
    return RateLimit(CALLS_PER_MINUTE)


def shows_sandbox(
    view: Callable[Concatenate[HttpRequest, Shown, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Decorator that passes a `Shown` to a view. If the portal has no sandbox, the visitor gets an error page with
    status 404 instead; if nothing has been read from the sandbox yet, one with status 503."""

    @wraps(view)
    def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        known = sandbox()
        if known is None:
            return render(request, "bac_a_sable/none.html", status=404)
        cases, operations = known.cases.latest(), known.operations.latest()
        if cases is None or operations is None:
            return render(request, "bac_a_sable/away.html", status=503)
        return view(request, Shown(known, cases, operations.value), *args, **kwargs)

    return answer


@require_safe
@shows_sandbox
def people(request: HttpRequest, shown: Shown) -> HttpResponse:
    everybody = shown.cases.value.people()
    topics = explorer.by_topic(shown.cases.value.cases, shown.operations, site().content.apis)
    rows = list(explorer.matrix(everybody, topics))
    context = {"rows": rows, "topics": topics, "cases": shown.cases, "sandbox": shown.sandbox}
    return render(request, "bac_a_sable/people.html", context)


@require_safe
@shows_sandbox
def person(request: HttpRequest, shown: Shown, slug: str) -> HttpResponse:
    found = next((one for one in shown.cases.value.people() if one.slug == slug), None)
    if found is None:
        raise Http404
    topics = explorer.by_topic(found.cases, shown.operations, site().content.apis)
    relatives = [
        one for one in shown.cases.value.people() if found.family and one.family == found.family and one != found
    ]
    parts = [(topic.title, list(explorer.distinct(topic.known))) for topic in topics]
    return render(request, "bac_a_sable/person.html", {"person": found, "parts": parts, "relatives": relatives})


@require_safe
@shows_sandbox
def situations(request: HttpRequest, shown: Shown) -> HttpResponse:
    words = request.GET.get("q", "").strip()[:100]
    chosen = list(matching(shown.cases.value.cases, words)) if words else shown.cases.value.cases
    topics = explorer.by_topic(chosen, shown.operations, site().content.apis)
    parts = [(topic.title, list(explorer.distinct(topic.known))) for topic in topics]
    count = sum(len(known) for _, known in parts)
    return render(request, "bac_a_sable/situations.html", {"parts": parts, "words": words, "count": count})


@require_safe
@shows_sandbox
def errors(request: HttpRequest, shown: Shown) -> HttpResponse:
    known = shown.sandbox.errors.latest()
    by_id = {operation.id: operation for operation in shown.operations}
    rows = list(explorer.yielded(known.value if known else (), shown.cases.value, by_id))
    return render(
        request, "bac_a_sable/errors.html", {"rows": rows, "simulated": sum(bool(row.simulated) for row in rows)}
    )


@require_safe
@shows_sandbox
def case(request: HttpRequest, shown: Shown, operation_id: str, name: str) -> HttpResponse:
    found = shown.cases.value.case(f"{operation_id}/{name}")
    if found is None:
        raise Http404
    operation = shown.operation(operation_id)
    call = Call(operation, form.with_recipient(operation, found.parameters), _token_of(found, shown))
    context = {
        "case": found,
        "known": explorer.Known(found, operation),
        "operation": operation,
        "call": call,
        "snippets": snippets(call, shown.sandbox.url),
        "slug": next((one.slug for one in shown.cases.value.people() if one.name == found.person), ""),
        "cases": shown.cases,
    }
    return render(request, "bac_a_sable/case.html", context)


def _token_of(case: Case, shown: Shown) -> str:
    return case.sessions[0] if case.sessions else shown.sandbox.token


class Wanted(Struct, frozen=True):
    """Call as a visitor has entered it in the console: parameters, switched-off scopes, and FranceConnect token."""

    asked: Asked
    closed: frozenset[str]
    """Scopes of the operation that the visitor has switched off for this call."""
    session: str


@require_http_methods(["GET", "HEAD", "POST"])
@shows_sandbox
def console(request: HttpRequest, shown: Shown, operation_id: str) -> HttpResponse:
    """Shows the form for a call to an operation. If the form has been sent, also makes the call and shows the
    answer."""
    operation = shown.operation(operation_id)
    wanted = _sent(request, operation) if request.method == "POST" else _linked(request, operation, shown)
    context: dict[str, Any] = {}
    status = 200
    if request.method == "POST":
        if not limit().allows(request.META.get("REMOTE_ADDR", "")):
            return render(request, "bac_a_sable/too_many.html", status=429)
        context, status = _answered(operation, wanted, shown)
    faults: Mapping[str, list[str]] = context.get("faults", {})
    inputs = list(form.inputs(operation, wanted.asked, faults))
    scopes = form.relevant_scopes(operation)
    context |= {
        "operation": operation,
        "known": explorer.Known(Case("", operation.id, 0, None), operation),
        "inputs": [one for one in inputs if not one.is_rare],
        "rare_inputs": [one for one in inputs if one.is_rare],
        "other_faults": faults.get("", []),
        "scopes": [(scope, scope not in wanted.closed) for scope in scopes],
        "wanted": wanted,
        "sessions": shown.cases.value.sessions if operation.is_by_session else (),
        "is_known_session": shown.cases.value.session(wanted.session) is not None,
        "cases": [one for one in shown.cases.value.cases if one.operation_id == operation.id and not one.is_default],
        "permalink": _permalink(operation, wanted, shown.cases.value),
    }
    return render(request, "bac_a_sable/console.html", context, status=status)


def _sent(request: HttpRequest, operation: Operation) -> Wanted:
    kept = frozenset(request.POST.getlist("scope"))
    session = request.POST.get("session", "").strip()[: form.MOST_LENGTH]
    return Wanted(form.asked_by(operation, request.POST), frozenset(form.relevant_scopes(operation)) - kept, session)


def _linked(request: HttpRequest, operation: Operation, shown: Shown) -> Wanted:
    """Returns the call with which the URL fills the form: the call of a case (`cas`) or of a simulated error
    (`erreur`). If the URL names neither, returns a call without parameters that identify a person."""
    cases = shown.cases.value
    closed = frozenset(request.GET.getlist("sans")) & frozenset(form.relevant_scopes(operation))
    found = cases.case(f"{operation.id}/{request.GET.get('cas', '')}")
    simulated = cases.errors_of(operation.id)
    error = simulated.with_code(request.GET.get("erreur", "")) if simulated else None
    if found is not None:
        asked, tokens = found.parameters, found.sessions
        session = request.GET.get("jeton", "")
        return Wanted(
            form.with_recipient(operation, asked), closed, session if session in tokens else next(iter(tokens), "")
        )
    if simulated is not None and error is not None:
        return Wanted(form.with_recipient(operation, simulated.parameters | error.parameters), closed, error.session)
    return Wanted(form.with_recipient(operation, {}), closed, cases.sessions[0].token if cases.sessions else "")


def _permalink(operation: Operation, wanted: Wanted, cases: Cases) -> str:
    """Returns a URL that fills the form with this call. Returns "" for a call that belongs to no case and no simulated
    error, because its parameters must not appear in a URL."""
    address = reverse("console", args=[operation.id])
    closed = [("sans", scope) for scope in sorted(wanted.closed)] if not operation.is_by_session else []
    for case in cases.cases:
        is_session = not operation.is_by_session or wanted.session in case.sessions
        if case.operation_id == operation.id and is_session and _is_same(operation, case.parameters, wanted.asked):
            named = [("cas", case.file)]
            token = [("jeton", wanted.session)] if wanted.session in case.sessions[1:] else []
            return f"{address}?{urlencode([*named, *token, *closed])}"
    simulated = cases.errors_of(operation.id)
    for error in simulated.errors if simulated else ():
        asked = simulated.parameters | error.parameters if simulated else {}
        if error.session in ("", wanted.session) and _is_same(operation, asked, wanted.asked):
            return f"{address}?{urlencode([('erreur', error.code), *closed])}"
    return ""


def _is_same(operation: Operation, asked: Asked, sent: Asked) -> bool:
    return form.with_recipient(operation, asked) == sent


def _answered(operation: Operation, wanted: Wanted, shown: Shown) -> tuple[dict[str, Any], int]:
    """Makes a call to the sandbox. Returns the variables with which the page's template shows the answer, and the HTTP
    status of the page."""
    scopes = frozenset(form.relevant_scopes(operation)) - wanted.closed
    try:
        if operation.is_by_session:
            token = wanted.session
            session = shown.cases.value.session(token)
            scopes = frozenset(session.scopes) if session else scopes
        else:
            token = shown.sandbox.token_for(scopes) if wanted.closed else shown.sandbox.token
        call = Call(operation, wanted.asked, token)
        result = shown.sandbox.call(call)
    except (GatewayError, ValueError):
        return {"is_away": True}, 502
    data = _data(operation, result)
    return {
        "result": result,
        "states": list(states_of(operation.fields, data, scopes)) if result.status == 200 else [],
        "faults": form.faults_by_parameter(operation, result.body, wanted.asked) if result.status == 422 else {},
        "snippets": snippets(call, shown.sandbox.url),
        "is_short_lived": bool(wanted.closed) and not operation.is_by_session,
    }, 200


def _data(operation: Operation, result: Result) -> Any:
    is_wrapped = operation.version != "v2" and isinstance(result.body, dict)
    return result.body.get("data") if is_wrapped else result.body


@require_http_methods(["GET", "HEAD", "POST"])
@shows_sandbox
def proposal(request: HttpRequest, shown: Shown) -> HttpResponse:
    """Page on which a visitor writes a case: checks the case in the sandbox, or returns it as a file. The portal does
    not store it."""
    operation_id = (request.POST if request.method == "POST" else request.GET).get("operation", "")
    operation = next((one for one in shown.operations if one.id == operation_id), None)
    context: dict[str, Any] = {
        "operations": [one for one in shown.operations if not one.is_deprecated],
        "operation": operation,
        "text": _beginning(request, operation, shown),
    }
    if request.method != "POST":
        return render(request, "bac_a_sable/proposal.html", context)
    text = request.POST.get("text", "").replace("\r\n", "\n")
    name = request.POST.get("name", "")
    context |= {"text": text, "name": name}
    if "download" in request.POST:
        response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
        file = name if FILE_NAME.fullmatch(name) else "200_proposition"
        response["Content-Disposition"] = f'attachment; filename="{file}.yaml"'
        return response
    return _checked(request, shown, operation, text, context)


def _checked(
    request: HttpRequest, shown: Shown, operation: Operation | None, text: str, context: dict[str, Any]
) -> HttpResponse:
    if operation is None:
        return _refused(request, context, "operation", "Choisissez l'opération à laquelle le cas est destiné.")
    if not text.strip():
        return _refused(request, context, "text", "Écrivez ou collez le cas.")
    if len(text.encode()) > MOST_CASE_BYTES:
        return _refused(request, context, "text", "Le cas dépasse 64 Kio.")
    if not limit().allows(request.META.get("REMOTE_ADDR", "")):
        return render(request, "bac_a_sable/too_many.html", status=429)
    try:
        report = shown.sandbox.check(operation.id, text)
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
    """Returns the lines of a proposed case, each with its number and the texts of its faults."""
    faults: dict[int, list[str]] = {}
    for fault in report.faults:
        faults.setdefault(fault.line, []).append(in_french(fault.message))
    return [(number, line, faults.get(number, [])) for number, line in enumerate(text.split("\n"), start=1)]


def _beginning(request: HttpRequest, operation: Operation | None, shown: Shown) -> str:
    """Returns the text that the page offers to the author of a case: the existing case that the URL names (`cas`), or a
    case of the operation without an answer."""
    if operation is None:
        return ""
    found = shown.cases.value.case(f"{operation.id}/{request.GET.get('cas', '')}")
    return case_file.of_case(found) if found and found.parameters else case_file.for_operation(operation)
