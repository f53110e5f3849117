"""Call that a visitor prepares in the console, the page on which visitors call the sandbox."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse
from msgspec import Struct

from bouquet_portal.bac_a_sable import form
from bouquet_portal.bac_a_sable.cases import CallParameters, Cases
from bouquet_portal.documents.model import Operation


class PreparedCall(Struct, frozen=True):
    """Call to the sandbox that a visitor prepares in a form: parameters (`asked`), scopes switched off (`closed`), and
    FranceConnect token (`session`)."""

    asked: CallParameters
    closed: frozenset[str]
    """Scopes of the operation that the visitor has switched off, to see the answer without them."""
    session: str


def call_from_form(form_sent: QueryDict, operation: Operation) -> PreparedCall:
    """Returns the call that a submitted form describes."""
    kept = frozenset(form_sent.getlist("scope"))
    session = form_sent.get("session", "").strip()[: form.MAX_LENGTH]
    return PreparedCall(form.asked_by(operation, form_sent), frozenset(form.relevant_scopes(operation)) - kept, session)


def call_from_url(url: QueryDict, operation: Operation, cases: Cases) -> PreparedCall:
    """Returns the call that a URL describes, for the console's form. The URL names a test case (`cas`) or a simulated
    error (`erreur`). If it names neither, the call has no parameters about a person."""
    closed = frozenset(url.getlist("sans")) & frozenset(form.relevant_scopes(operation))
    found = cases.case(f"{operation.id}/{url.get('cas', '')}")
    simulated = cases.errors_of(operation.id)
    error = simulated.with_code(url.get("erreur", "")) if simulated else None
    if found is not None:
        asked, tokens = found.parameters, found.sessions
        session = url.get("jeton", "")
        return PreparedCall(
            form.with_recipient(operation, asked), closed, session if session in tokens else next(iter(tokens), "")
        )
    if simulated is not None and error is not None:
        return PreparedCall(
            form.with_recipient(operation, simulated.parameters | error.parameters), closed, error.session
        )
    return PreparedCall(form.with_recipient(operation, {}), closed, cases.sessions[0].token if cases.sessions else "")


def permalink(operation: Operation, prepared: PreparedCall, cases: Cases) -> str:
    """Returns a URL that fills the console's form with the call of a test case or simulated error. Returns "" for other
    calls, which may be about real persons."""
    # Data about real people must not appear in a URL. All calls are the visitor's own, except those of test cases and
    # simulated errors.
    address = reverse("console", args=[operation.id])
    closed = [("sans", scope) for scope in sorted(prepared.closed)] if not operation.is_by_session else []
    for case in cases.cases:
        is_session = not operation.is_by_session or prepared.session in case.sessions
        if case.operation_id == operation.id and is_session and _is_same(operation, case.parameters, prepared.asked):
            named = [("cas", case.name)]
            token = [("jeton", prepared.session)] if prepared.session in case.sessions[1:] else []
            return f"{address}?{urlencode([*named, *token, *closed])}"
    simulated = cases.errors_of(operation.id)
    for error in simulated.errors if simulated else ():
        asked = simulated.parameters | error.parameters if simulated else {}
        if error.session in ("", prepared.session) and _is_same(operation, asked, prepared.asked):
            return f"{address}?{urlencode([('erreur', error.code), *closed])}"
    return ""


def _is_same(operation: Operation, asked: CallParameters, sent: CallParameters) -> bool:
    return form.with_recipient(operation, asked) == sent
