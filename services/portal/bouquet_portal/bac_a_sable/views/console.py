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
from bouquet_portal.bac_a_sable.prepared_call import PreparedCall, call_from_form, call_from_url, permalink
from bouquet_portal.bac_a_sable.sandbox import Call, Result
from bouquet_portal.bac_a_sable.snippets import snippets
from bouquet_portal.bac_a_sable.views.contents import SandboxContents, limit, with_sandbox_contents
from bouquet_portal.documents.client import GatewayError
from bouquet_portal.documents.model import Operation
from bouquet_portal.rate_limit import address_of


@require_http_methods(["GET", "HEAD", "POST"])
@with_sandbox_contents
def console(request: HttpRequest, contents: SandboxContents, operation_id: str) -> HttpResponse:
    """Shows the form for a call to an operation. If the visitor has sent the form, also makes the call and shows the
    answer."""
    operation = contents.operation(operation_id)
    cases = contents.cases.value
    is_sent = request.method == "POST"
    prepared = call_from_form(request.POST, operation) if is_sent else call_from_url(request.GET, operation, cases)
    context: dict[str, Any] = {}
    status = 200
    if is_sent:
        if not limit().allows(address_of(request)):
            return render(request, "bac_a_sable/too_many.html", status=429)
        context, status = _make_call(operation, prepared, contents)
    faults: Mapping[str, list[str]] = context.get("faults", {})
    inputs = list(form.inputs(operation, prepared.asked, faults))
    scopes = form.relevant_scopes(operation)
    context |= {
        "operation": operation,
        "operation_case": explorer.OperationCase(Case("", operation.id, 0, None), operation),
        "inputs": [one for one in inputs if not one.is_rare],
        "rare_inputs": [one for one in inputs if one.is_rare],
        "other_faults": faults.get("", []),
        "scopes": [(scope, scope not in prepared.closed) for scope in scopes],
        "prepared": prepared,
        "sessions": cases.sessions if operation.is_by_session else (),
        "is_known_session": cases.session(prepared.session) is not None,
        "cases": [one for one in cases.cases if one.operation_id == operation.id and not one.is_default],
        "permalink": permalink(operation, prepared, cases),
    }
    return render(request, "bac_a_sable/console.html", context, status=status)


def _make_call(operation: Operation, prepared: PreparedCall, contents: SandboxContents) -> tuple[dict[str, Any], int]:
    """Makes a call to the sandbox. Returns the template variables that show the answer, and the HTTP status of the
    page."""
    scopes = frozenset(form.relevant_scopes(operation)) - prepared.closed
    if not prepared.session.isascii() or not prepared.session.isprintable():
        return {
            "faults": {"": ["Le jeton FranceConnect a des caractères qu'un en-tête HTTP ne peut pas contenir."]}
        }, 422
    try:
        if operation.is_by_session:
            token = prepared.session
            session = contents.cases.value.session(token)
            scopes = frozenset(session.scopes) if session else scopes
        else:
            token = contents.sandbox.token_for(scopes) if prepared.closed else contents.sandbox.token
        call = Call(operation, prepared.asked, token)
        result = contents.sandbox.call(call)
    except (GatewayError, ValueError):
        return {"is_away": True}, 502
    data = _data(operation, result)
    return {
        "result": result,
        "states": list(states_of(operation.fields, data, scopes)) if result.status == 200 else [],
        "faults": form.faults_by_parameter(operation, result.body, prepared.asked) if result.status == 422 else {},
        "snippets": snippets(call, contents.sandbox.url),
        "is_short_lived": bool(prepared.closed) and not operation.is_by_session,
    }, 200


def _data(operation: Operation, result: Result) -> Any:
    is_wrapped = operation.version != "v2" and isinstance(result.body, dict)
    return result.body.get("data") if is_wrapped else result.body
