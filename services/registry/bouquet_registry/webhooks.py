"""DataPass webhooks. They must be signed and recent, and each event is applied once."""

from __future__ import annotations

import logging
from datetime import timedelta
from hashlib import sha256
from typing import TypeAlias

from aiohttp import web
from sqlalchemy import insert, select
from sqlalchemy.exc import SQLAlchemyError

from bouquet_mesh.secret import Secret
from bouquet_registry import datapass, metrics, queries, schema, transactions
from bouquet_registry.acts import Author
from bouquet_registry.clock import Clock, utc_now
from bouquet_registry.datapass import DatapassEvent, Dialect
from bouquet_registry.editors import changes as editor_changes
from bouquet_registry.editors import queries as editor_queries
from bouquet_registry.habilitations import BY_PARAMETERS, Habilitation, State, Token
from bouquet_registry.refusals import Refused
from bouquet_registry.store import Store
from bouquet_registry.transactions import Transaction
from bouquet_registry.webhook_signature import HEADER, is_signed

log = logging.getLogger(__name__)

Answer: TypeAlias = dict[str, str]

PATHS: dict[str, Dialect] = {
    "/api/datapass/api_particulier/webhook": "v1",
    "/api/datapass/v2/api_particulier/webhook": "v2",
}
"""Format of DataPass events by webhook path."""
FUTURE = timedelta(minutes=5)
"""Longest time by which DataPass's clock may be ahead."""

GRANTING = ("approve", "validate")
STATES: dict[str, State] = {"refuse": "refused", "revoke": "revoked", "archive": "archived"}
"""State of a habilitation after an event."""
# After `refuse`, an active habilitation stays active, since only a change of it was refused.


class Webhooks:
    def __init__(self, store: Store, secret: Secret, window_s: float, clock: Clock = utc_now) -> None:
        self._store = store
        self._secret = secret
        self._window = timedelta(seconds=window_s)
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        metrics.WEBHOOKS.labels("unsigned")  # from 0 on, so that a rate sees the first one
        return [web.post(path, self.handle) for path in PATHS]

    async def handle(self, request: web.Request) -> web.Response:
        """Answers a webhook: 200, 401 if it is unsigned or too old, 422 if it is unreadable or refused, 503 if there
        is no database."""
        body = await request.read()
        status, answer, outcome = await self._process(PATHS[request.path], body, request.headers.get(HEADER, ""))
        metrics.WEBHOOKS.labels(outcome).inc()
        log.info("webhook answered", extra={"status": status, "outcome": outcome})
        return web.json_response(answer, status=status)

    async def _process(self, dialect: Dialect, body: bytes, signature: str) -> tuple[int, Answer, str]:
        """Checks and applies a webhook. Returns HTTP status, answer, and outcome for log and metric."""
        if not is_signed(self._secret, body, signature):
            return 401, {}, "unsigned"
        try:
            event = datapass.read(dialect, body)
        except ValueError:
            return 422, {}, "unreadable"
        now = self._clock()
        if not now - self._window <= event.fired_at <= now + FUTURE:
            return 401, {}, "stale"
        try:
            answer, outcome = await self._apply_once(event, sha256(body).hexdigest())
        except Refused as refused:
            log.warning("webhook refused", extra={"why": type(refused).__name__, "event": event.event})
            return 422, {}, "refused"
        except (SQLAlchemyError, OSError) as error:
            log.error("database unavailable", extra={"error": type(error).__name__})
            return 503, {}, "failed"  # not 422: DataPass sends it again
        return 200, answer, outcome

    async def _apply_once(self, event: DatapassEvent, digest: str) -> tuple[Answer, str]:
        """Applies an event and stores its answer in one transaction. A repeated event gets the stored answer."""
        async with transactions.begin(self._store, Author("DataPass", event.event), self._clock) as transaction:
            known = await transaction.connection.scalar(
                select(schema.events.c.answer).where(schema.events.c.digest == digest)
            )
            if known is not None:
                return known, "known"
            answer = await apply(transaction, event)
            row = {"digest": digest, "event": event.event[:64], "received_at": transaction.now, "answer": answer}
            await transaction.connection.execute(insert(schema.events).values(row))
            return answer, "obeyed"


async def apply(transaction: Transaction, event: DatapassEvent) -> Answer:
    """Applies an event to its habilitation and returns the answer. An event older than the last one has no effect.
    Raises `Refused` if the event cannot be applied."""
    own = await queries.habilitation_of_datapass(transaction.connection, event.datapass_id)
    if own is not None and own.told_at is not None and event.fired_at < own.told_at:
        return {}  # sent late: a newer event has been applied
    own = await _save(transaction, event, own)
    if event.event in GRANTING:
        await _delegate(transaction, own, event.form_uid)
        return await _grant(transaction, own)
    if own.state == "revoked":
        await _blacklist(transaction, own)
    return {}


async def _save(transaction: Transaction, event: DatapassEvent, own: Habilitation | None) -> Habilitation:
    """Creates or changes the habilitation of an event."""
    # Sets its scopes only if the event says that they are granted.
    state = _state(event.event, own)
    fields = {
        "siret": event.siret,
        "purpose": event.purpose,
        "contacts": event.contacts,
        "modalities": event.modalities,
        "state": state,
        "told_at": min(event.fired_at, transaction.now),  # a clock ahead must not make the next event look old
    }
    if event.event in GRANTING or (event.granted and state == "active"):
        fields["scopes"] = event.scopes
    if own is None:
        return await transaction.create(datapass_id=event.datapass_id, **fields)
    return await transaction.change(own, **fields)


def _state(event: str, own: Habilitation | None) -> State:
    if event in GRANTING:
        return "active"
    if event == "refuse" and own is not None and own.state == "active":
        return "active"
    return STATES.get(event, "requested" if own is None else own.state)


async def _grant(transaction: Transaction, own: Habilitation) -> Answer:
    """Prolongs the habilitation's token, or issues the first one, and returns the answer."""
    # No token is issued if the habilitation is used through FranceConnect only.
    token = await _longest_token(transaction, own)
    if token is not None:
        token = await transaction.prolong(token)
    elif BY_PARAMETERS in own.modalities:
        token = await transaction.issue(own)
    return {"token_id": token.id} if token else {}


async def _delegate(transaction: Transaction, own: Habilitation, form_uid: str) -> None:
    """Delegates a habilitation to each editor that has the form with which it was asked for."""
    # An editor that may not be delegated to gets a warning in the log, and no delegation.
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
    """Returns the habilitation's token with the latest expiry, or None. Blacklisted tokens do not count."""
    tokens = await queries.tokens(transaction.connection, of=own.id)
    return next((token for token in reversed(tokens) if token.blacklisted_at is None), None)


async def _blacklist(transaction: Transaction, own: Habilitation) -> None:
    for token in await queries.tokens(transaction.connection, of=own.id):
        if token.blacklisted_at is None or token.blacklisted_at > transaction.now:
            await transaction.revoke(token, "habilitation révoquée dans DataPass")
