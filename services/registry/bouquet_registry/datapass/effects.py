"""Effects of an event (message) of DataPass: the changes to habilitations, tokens and delegations."""

from __future__ import annotations

import logging
from typing import Any, TypeAlias

from bouquet_registry import queries
from bouquet_registry.datapass.formats import DatapassEvent
from bouquet_registry.editors import changes as editor_changes
from bouquet_registry.editors import queries as editor_queries
from bouquet_registry.habilitations import BY_PARAMETERS, Habilitation, State, Token
from bouquet_registry.refusals import InvalidFields
from bouquet_registry.served_scopes import unserved_scopes
from bouquet_registry.transactions import Transaction

log = logging.getLogger(__name__)

Answer: TypeAlias = dict[str, str]
"""Answer to DataPass: `{"token_id": …}` with the id of the habilitation's token, or an empty object."""

GRANTING = ("approve", "validate")
TRANSFER = "transfer"
"""Name of the event that hands a habilitation over to another person or another administration."""
STATES: dict[str, State] = {"refuse": "refused", "revoke": "revoked", "archive": "archived"}
"""Maps the name of a DataPass event to the state that a habilitation gets from this event."""
# After `refuse`, an active habilitation stays active, since only a change of it was refused.


async def apply(transaction: Transaction, event: DatapassEvent, *, late: bool = False) -> Answer | None:
    """Applies an event (a message of DataPass) to its habilitation, and returns the answer to DataPass. If a more
    recent event was applied before, changes nothing and returns None, unless `late` is true. Raises `RefusalError` if
    the event cannot be applied."""
    own = await queries.habilitation_of_datapass(transaction.connection, event.datapass_id)
    if own is not None and own.told_at is not None and event.fired_at < own.told_at and not late:
        return None
    former = own
    own = await _save(transaction, event, own)
    await _report_unserved(transaction, own, former)
    if event.event in GRANTING:
        await _delegate(transaction, own, event.form_uid)
        return await _grant(transaction, own)
    if own.state == "revoked":
        await _blacklist(transaction, own)
    return {}


async def _save(transaction: Transaction, event: DatapassEvent, own: Habilitation | None) -> Habilitation:
    """Changes the habilitation `own` as an event (a message of DataPass) says, or creates one if `own` is None. Sets
    the scopes only if DataPass has granted them. Raises `InvalidFields` for wrong fields, and for a `transfer` without
    a new applicant."""
    if event.event == TRANSFER and not any(contact.kind == "demandeur" for contact in event.contacts):
        raise InvalidFields(["contacts: a transfer to nobody"])
    state = _state(event.event, own)
    fired_at = min(event.fired_at, transaction.now)  # a clock ahead must not make the next event look old
    fields: dict[str, Any] = {
        "siret": event.siret,
        "purpose": event.purpose,
        "contacts": event.contacts,
        "modalities": event.modalities,
        "state": state,
        "told_at": max(fired_at, own.told_at) if own is not None and own.told_at else fired_at,
        "public_id": event.public_id,
        "form_uid": event.form_uid,
        "description": event.description,
        "service_provider": event.service_provider,
        "data_protection_officer": event.data_protection_officer,
    }
    if event.event in GRANTING or (event.granted and state == "active"):
        fields["scopes"] = event.scopes
    if own is None:
        return await transaction.create(datapass_id=event.datapass_id, **fields)
    return await transaction.change(own, **fields)


async def _report_unserved(transaction: Transaction, own: Habilitation, former: Habilitation | None) -> None:
    """Logs a warning, and records an administrative act, if an event has given `own` new scopes that no gateway serves.
    `former` is the habilitation before the event, or None for a new habilitation."""
    # The event is applied all the same: DataPass has decided, and the provider's worker may be still to come.
    known = () if former is None else former.scopes
    if own.scopes == known:
        return
    if unserved := await unserved_scopes(transaction.connection, own.scopes, transaction.now, known):
        log.warning("granted scopes served by no provider", extra={"habilitation": own.id, "scopes": list(unserved)})
        await transaction.record("habilitation unserved scopes", own.id)


def _state(event: str, own: Habilitation | None) -> State:
    if event in GRANTING:
        return "active"
    if event == "refuse" and own is not None and own.state == "active":
        return "active"
    return STATES.get(event, "requested" if own is None else own.state)


async def _grant(transaction: Transaction, own: Habilitation) -> Answer:
    """Prolongs the habilitation's token that expires last. If there is none, issues a token for a habilitation with the
    modality `params`. Returns the answer to DataPass, which is empty without a token."""
    token = await _longest_token(transaction, own)
    if token is not None:
        token = await transaction.prolong(token)
    elif BY_PARAMETERS in own.modalities:
        token = await transaction.issue(own)
    return {"token_id": token.id} if token else {}


async def _delegate(transaction: Transaction, own: Habilitation, form_uid: str) -> None:
    """Delegates a habilitation to each active editor that offers the DataPass form `form_uid`. For an editor that
    accepts no delegations, only logs a warning."""
    for editor in await editor_queries.editors_of_form(transaction.connection, form_uid):
        present = await editor_queries.delegations(
            transaction.connection, editor=editor.id, habilitation=own.id, revoked=False
        )
        if present:
            continue
        if editor.delegable:
            await editor_changes.delegate(transaction, editor, own)
        else:
            log.warning("editor of a form takes no delegations", extra={"editor": editor.id})


async def _longest_token(transaction: Transaction, own: Habilitation) -> Token | None:
    """Returns the habilitation's token that expires last, or None. Ignores blacklisted tokens, and tokens whose
    blacklisting is scheduled."""
    tokens = await queries.tokens(transaction.connection, habilitation=own.id)
    return next((token for token in reversed(tokens) if token.blacklisted_at is None), None)


async def _blacklist(transaction: Transaction, own: Habilitation) -> None:
    for token in await queries.tokens(transaction.connection, habilitation=own.id):
        if token.blacklisted_at is None or token.blacklisted_at > transaction.now:
            await transaction.revoke(token, "habilitation révoquée dans DataPass")
