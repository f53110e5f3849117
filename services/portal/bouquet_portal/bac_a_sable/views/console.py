"""Console: a form for a call to an operation of the sandbox, and the answer field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from bouquet_portal.bac_a_sable import explorer, form
from bouquet_portal.bac_a_sable.cases import Case
from bouquet_portal.bac_a_sable.fields import states_of
from bouquet_portal.bac_a_sable.sandbox import Call, Result
from bouquet_portal.bac_a_sable.snippets import snippets
from bouquet_portal.bac_a_sable.views.shown import Shown, limit, shows_sandbox
from bouquet_portal.bac_a_sable.wanted import Wanted, linked, permalink, sent
from bouquet_portal.documents.client import GatewayError
from bouquet_portal.documents.model import Operation
from bouquet_portal.rate_limit import address_of


@require_http_methods(["GET", "HEAD", "POST"])
@shows_sandbox
def console(request: HttpRequest, shown: Shown, operation_id: str) -> HttpResponse:
    """Shows the form for a call to an operation. If the visitor has sent the form, also makes the call and shows the
    answer."""
    operation = shown.operation(operation_id)
    cases = shown.cases.value
    is_sent = request.method == "POST"
    wanted = sent(request.POST, operation) if is_sent else linked(request.GET, operation, cases)
    context: dict[str, Any] = {}
    status = 200
    if is_sent:
        if not limit().allows(address_of(request)):
            return render(request, "bac_a_sable/too_many.html", status=429)
        context, status = _make_call(operation, wanted, shown)
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
        "sessions": cases.sessions if operation.is_by_session else (),
        "is_known_session": cases.session(wanted.session) is not None,
        "cases": [one for one in cases.cases if one.operation_id == operation.id and not one.is_default],
        "permalink": permalink(operation, wanted, cases),
    }
    return render(request, "bac_a_sable/console.html", context, status=status)


def _make_call(operation: Operation, wanted: Wanted, shown: Shown) -> tuple[dict[str, Any], int]:
    """Makes a call to the sandbox. Returns the template variables that show the answer, and the HTTP status of the
    page."""
    scopes = frozenset(form.relevant_scopes(operation)) - wanted.closed
    if not wanted.session.isascii() or not wanted.session.isprintable():
        return {
            "faults": {"": ["Le jeton FranceConnect a des caractères qu'un en-tête HTTP ne peut pas contenir."]}
        }, 422
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
