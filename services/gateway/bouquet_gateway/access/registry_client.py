"""Tokens and delegations from the registry: requested once, then remembered until the registry reports a change
(docs/adr/0008).

The gateway verifies a token's signature itself. Scopes, SIRET, expiry, blacklist, allowed addresses and rate limit come
from the registry.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from bouquet_gateway.access.addresses import parse_networks
from bouquet_gateway.access.credentials import Credential
from bouquet_gateway.access.registry_answers import ASK_TIMEOUT_S, REGISTRY_UNAVAILABLE, RegistryAnswer, RegistryAnswers
from bouquet_gateway.access.tokens import (
    INVALID,
    STAGING_TOKEN_ID,
    CredentialRefusal,
    Delegation,
    Token,
    TokenVerifier,
    interned,
)
from bouquet_mesh.bus.api import BusClient
from bouquet_proto import registry_messages
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Changes, FindDelegations, Found, NotFound, Reply, WhoIs

log = logging.getLogger(__name__)

POLL_S = 2.0
REPORT_SCOPES_S = 600.0
"""Seconds after which the gateway reports the scopes of its operations to the registry again, even if unchanged."""
# Changed scopes are reported with the next poll.
SILENT_AFTER_S = POLL_S + ASK_TIMEOUT_S + 1.0
"""Seconds since the last answered poll (regular request for changes) after which the registry counts as silent."""

_token_decoder = msgspec.json.Decoder(registry_messages.KnownToken)
_delegations_decoder = msgspec.json.Decoder(registry_messages.KnownDelegations)
_changes_decoder = msgspec.json.Decoder(registry_messages.TokenChanges)


class RegistryClient:
    """Source of tokens that asks the registry and remembers its answers. While the registry does not answer, remembered
    answers may be used for a limited time.

    A remembered token in use is requested again at a regular interval.
    """

    # Each request also tells the registry that the token is in use.

    def __init__(
        self,
        tokens: TokenVerifier,
        bus: BusClient,
        *,
        patience_s: float = 600.0,
        refresh_s: float = 3600.0,
        max_known: int = 50_000,
        served_scopes: Callable[[], tuple[str, ...]] = tuple,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes `served_scopes`, which returns the scopes of the operations that the gateway serves now.

        After the registry has stopped answering, remembered answers are used for up to `patience_s` seconds. An answer
        older than `refresh_s` seconds is requested again. At most `max_known` answers of each kind (token, delegations)
        are remembered. `clock` is monotonic, in seconds.
        """
        self._verifier = tokens
        self._bus = bus
        self._patience_s = patience_s
        self._served_scopes = served_scopes
        self._reported: tuple[str, ...] = ()
        self._report_again_at = -math.inf
        self._clock = clock
        self._log = ""
        self.cursor = 0
        """Number of the last change that the registry has reported."""
        self._answered_at = -math.inf
        self._answered = asyncio.Event()
        """Event that is set once the registry has answered a poll (regular request for changes)."""
        options: dict[str, Any] = {"refresh_s": refresh_s, "max_known": max_known, "clock": clock}
        self._tokens: RegistryAnswers[Token | CredentialRefusal] = RegistryAnswers(bus, self, _decode_token, **options)
        self._delegations: RegistryAnswers[tuple[Delegation, ...]] = RegistryAnswers(
            bus, self, _decode_delegations, **options
        )

    @property
    def ready(self) -> bool:
        """Whether the registry has answered at least once since this process started."""
        return bool(self._log)

    @property
    def is_silent(self) -> bool:
        return self._silence_s > SILENT_AFTER_S

    @property
    def is_tolerated(self) -> bool:
        return self._silence_s <= self._patience_s

    async def token_of(self, credential: Credential, request_id: str, deadline: Deadline) -> Token | CredentialRefusal:
        """Returns the token of a credential, from memory or from the registry. Returns a refusal if the signature is
        wrong, or if the registry does not know the token or does not answer."""
        read = self._verifier.read(credential)
        if isinstance(read, Token) and not self.ready:
            if not await self._first_answer(deadline):
                return REGISTRY_UNAVAILABLE
            read = self._verifier.read(credential)  # its key may be withdrawn
        if isinstance(read, CredentialRefusal):
            return read
        if read.id == STAGING_TOKEN_ID:
            return INVALID
        return await self._tokens.get(
            read.id, deadline, lambda until: WhoIs(id=request_id, deadline=until, token=read.id, refuses_withdrawn=True)
        )

    async def delegations_of(
        self, editor: str, siret: str, request_id: str, deadline: Deadline
    ) -> tuple[Delegation, ...] | CredentialRefusal:
        return await self._delegations.get(
            _delegations_key(editor, siret),
            deadline,
            lambda until: FindDelegations(id=request_id, deadline=until, editor=editor, siret=siret),
        )

    async def run(self) -> None:
        """Asks the registry at regular intervals which tokens and delegations have changed, until cancelled."""
        while True:
            await self._poll_changes()
            await asyncio.sleep(POLL_S)

    @property
    def _silence_s(self) -> float:
        return self._clock() - self._answered_at

    async def _poll_changes(self) -> None:
        until = Deadline.after(ASK_TIMEOUT_S).at
        scopes = self._served_scopes()
        is_news = scopes != self._reported or self._clock() >= self._report_again_at
        question = Changes(
            id=str(uuid.uuid4()),
            deadline=until,
            log=self._log,
            since=self.cursor,
            scopes=scopes if is_news else (),
        )
        was_silent, asked_at = self.is_silent, self._clock()
        changes = _decode_changes(await self._bus.call(registry_messages.PROVIDER, question))
        if changes is None:
            self._log_silence(was_silent)
            return
        if is_news:
            self._reported, self._report_again_at = scopes, asked_at + REPORT_SCOPES_S
        self._forget_changed(changes)
        self._withdraw(changes.withdrawn_keys)
        self._log, self.cursor, self._answered_at = changes.log, changes.cursor, asked_at
        self._answered.set()
        if was_silent:
            log.info("registry answers", extra={"cursor": changes.cursor})

    def _forget_changed(self, changes: registry_messages.TokenChanges) -> None:
        """Forgets the remembered tokens and delegations that may have changed."""
        if changes.tokens is None:
            self._tokens.forget_if(lambda _: True)
            self._delegations.forget_if(lambda _: True)
            return
        self._tokens.forget(changes.tokens)
        if changes.editors:
            editors = frozenset(changes.editors)
            self._delegations.forget_if(lambda key: key.partition(" ")[0] in editors)

    def _withdraw(self, kids: tuple[str, ...] | None) -> None:
        """Replaces the set of withdrawn signing keys by the keys with the names `kids`. Tokens signed with a withdrawn
        key are refused. `None` changes nothing."""
        if kids is not None and self._verifier.withdraw(kids):
            log.warning("withdrawn token keys changed", extra={"kids": list(kids)})

    async def _first_answer(self, deadline: Deadline) -> bool:
        """Waits for the registry's first answer since this process started. Returns whether the answer has come by the
        deadline."""
        until = min(deadline.at, Deadline.after(ASK_TIMEOUT_S).at)
        try:
            async with asyncio.timeout(Deadline(until).left_s()):
                await self._answered.wait()
        except TimeoutError:
            return False
        return True

    def _log_silence(self, was_silent: bool) -> None:
        """Logs an error if the registry has become silent since the last poll. `was_silent` says whether the registry
        was silent at that poll."""
        if not was_silent and self.is_silent:
            log.error(
                "registry does not answer", extra={"known_tokens": len(self._tokens), "patience_s": self._patience_s}
            )


def _delegations_key(editor: str, siret: str) -> str:
    """Returns the key of the remembered delegations from the organisation with the SIRET `siret` to the software editor
    with the id `editor`."""
    return f"{editor} {siret}"


def _decode_token(token: str, reply: Reply) -> RegistryAnswer[Token | CredentialRefusal] | None:
    match reply:
        case NotFound(reason=registry_messages.UNKNOWN_TOKEN, meta={registry_messages.AS_OF: int(as_of)}):
            return RegistryAnswer(INVALID, as_of)
        case Found(data=data):
            try:
                held = _token_decoder.decode(data)
            except msgspec.DecodeError:
                log.error("registry reply unreadable")
                return None
            return RegistryAnswer(_token(token, held), held.as_of)
        case _:
            return None


def _decode_delegations(_: str, reply: Reply) -> RegistryAnswer[tuple[Delegation, ...]] | None:
    if not isinstance(reply, Found):
        return None
    try:
        known = _delegations_decoder.decode(reply.data)
    except msgspec.DecodeError:
        log.error("registry reply unreadable")
        return None
    delegations = tuple(Delegation(id=one.id, **_rights(one)) for one in known.delegations)
    return RegistryAnswer(delegations, known.as_of)


def _token(id: str, held: registry_messages.KnownToken) -> Token:
    return Token(
        id=id,
        **_rights(held),
        issued_at=held.issued_at,
        expires_at=held.expires_at,
        blacklisted_at=held.blacklisted_at,
        editor=held.editor,
        mcp=held.mcp,
    )


def _rights(held: registry_messages.HabilitationRights) -> dict[str, Any]:
    """Converts rights from the registry's message to the fields of `tokens.Rights`."""
    return {
        "scopes": interned(held.scopes),
        "siret": held.siret,
        "habilitation": held.habilitation,
        "calls_per_minute": held.calls_per_minute,
        "calls_per_second": held.calls_per_second,
        "group_limits": held.group_limits,
        "networks": parse_networks(held.allowed_ips) if held.allowed_ips else None,
        "allows_ine": held.ine,
        "datapass_id": held.datapass_id,
    }


def _decode_changes(reply: Reply) -> registry_messages.TokenChanges | None:
    try:
        return _changes_decoder.decode(reply.data) if isinstance(reply, Found) else None
    except msgspec.DecodeError:
        log.error("registry reply unreadable")
        return None
