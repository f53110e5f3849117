"""Tokens from the registry, remembered until the registry reports a change (docs/adr/0008). The gateway verifies the
signature; all rights come from the registry."""

from __future__ import annotations

import asyncio
import logging
import math
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable

import msgspec
from msgspec import Struct

from bouquet_gateway.access.addresses import parse_networks
from bouquet_gateway.access.credentials import Credential
from bouquet_gateway.access.tokens import INTERNAL_ID, INVALID, Refusal, Token, TokenVerifier, interned
from bouquet_gateway.stores.single_flight import SingleFlight
from bouquet_mesh.bus.api import Calling
from bouquet_proto import registry_messages
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Changes, Found, NotFound, Reply, WhoIs

log = logging.getLogger(__name__)

ASK_TIMEOUT_S = 2.0
POLL_S = 2.0
SILENT_AFTER_S = POLL_S + ASK_TIMEOUT_S + 1.0
"""Seconds without an answered poll after which the registry counts as silent."""
MAX_REFRESHES = 2
"""Age up to which a remembered token is accepted while the registry is asked again, as a multiple of `refresh_s`."""
# A call with an older one waits for the registry's answer.

_token_decoder = msgspec.json.Decoder(registry_messages.KnownToken)
_changes_decoder = msgspec.json.Decoder(registry_messages.TokenChanges)


class _Known(Struct, frozen=True):
    """Remembered answer of the registry about a token, with the monotonic time of the question."""

    token: Token | Refusal
    asked_at: float


class RegistryClient:
    """Source of tokens that asks the registry, and remembers its answers about `max_known` tokens. While the
    registry is silent, remembered tokens are accepted for `patience_s` seconds."""

    # A token in use is requested again, in the background, after `refresh_s` seconds. From this request the registry
    # learns that the token is used, and its answer corrects a missed change.

    def __init__(
        self,
        tokens: TokenVerifier,
        bus: Calling,
        *,
        patience_s: float = 600.0,
        refresh_s: float = 3600.0,
        max_known: int = 50_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens = tokens
        self._bus = bus
        self._patience_s = patience_s
        self._refresh_s = refresh_s
        self._max_known = max_known
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._asking: SingleFlight[Token | Refusal] = SingleFlight()
        self._log = ""
        self._cursor = 0
        self._answered_at = -math.inf

    @property
    def ready(self) -> bool:
        """Whether the registry has answered since this process started."""
        return bool(self._log)

    async def token_of(self, credential: Credential, request_id: str, deadline: Deadline) -> Token | Refusal:
        """Returns the token of a credential, remembered or requested from the registry, or the reason for its
        refusal."""
        read = self._tokens.read(credential)
        if isinstance(read, Refusal):
            return read
        if read.id == INTERNAL_ID:
            return INVALID
        known = self._known.get(read.id)
        if known is not None:
            self._known.move_to_end(read.id)
            if self._is_fresh(known):
                return known.token
        until = min(deadline.at, Deadline.after(ASK_TIMEOUT_S).at)
        question = WhoIs(id=request_id, deadline=until, token=read.id)
        answer = self._asking.start(read.id, lambda: self._ask(question))
        if known is not None and self._is_usable_meanwhile(known):
            return known.token
        return await asyncio.shield(answer)

    async def run(self) -> None:
        while True:
            await self._poll_changes()
            await asyncio.sleep(POLL_S)

    @property
    def _silence_s(self) -> float:
        return self._clock() - self._answered_at

    def _is_fresh(self, known: _Known) -> bool:
        """Returns whether a remembered token is accepted without asking the registry."""
        # While the registry answers, a token is fresh for `refresh_s` seconds after it was requested. While the
        # registry is silent, every remembered token is fresh, whatever its age, for the first `patience_s` seconds of
        # the silence.
        if self._silence_s > SILENT_AFTER_S:  # a new request would not be answered
            return self._silence_s <= self._patience_s
        return self._clock() - known.asked_at < self._refresh_s

    def _is_usable_meanwhile(self, known: _Known) -> bool:
        """Returns whether a remembered token is accepted while the registry is asked again in the background."""
        # The call waits for the answer instead if the registry is silent, or if the token is older than `MAX_REFRESHES`
        # times `refresh_s`.
        return self._silence_s <= SILENT_AFTER_S and self._clock() - known.asked_at < MAX_REFRESHES * self._refresh_s

    async def _ask(self, question: WhoIs) -> Token | Refusal:
        asked_at = self._clock()
        answer = _decode_token(question.token, await self._bus.call(registry_messages.PROVIDER, question))
        if answer is None:
            known = self._known.get(question.token)  # removed if a change was reported meanwhile
            return known.token if known and self._silence_s <= self._patience_s else Refusal("registry_unavailable")
        token, as_of = answer
        if as_of >= self._cursor:  # an older answer may miss a change reported since
            self._remember(question.token, _Known(token, asked_at))
        return token

    def _remember(self, id: str, known: _Known) -> None:
        self._known[id] = known
        self._known.move_to_end(id)
        if len(self._known) > self._max_known:
            self._known.popitem(last=False)

    async def _poll_changes(self) -> None:
        until = Deadline.after(ASK_TIMEOUT_S).at
        question = Changes(id=str(uuid.uuid4()), deadline=until, log=self._log, since=self._cursor)
        was_silent, asked_at = self._silence_s > SILENT_AFTER_S, self._clock()
        changes = _decode_changes(await self._bus.call(registry_messages.PROVIDER, question))
        if changes is None:
            self._log_silence(was_silent)
            return
        for token in tuple(self._known) if changes.tokens is None else changes.tokens:
            self._known.pop(token, None)
        self._log, self._cursor, self._answered_at = changes.log, changes.cursor, asked_at
        if was_silent:
            log.info("registry answers", extra={"cursor": changes.cursor})

    def _log_silence(self, was_silent: bool) -> None:
        if not was_silent and self._silence_s > SILENT_AFTER_S:
            log.error(
                "registry does not answer", extra={"known_tokens": len(self._known), "patience_s": self._patience_s}
            )


def _decode_token(token: str, reply: Reply) -> tuple[Token | Refusal, int] | None:
    """Returns the token or its refusal, and the number of the registry's last change. Returns `None` for an
    unreadable reply."""
    match reply:
        case NotFound(reason=registry_messages.UNKNOWN, meta={registry_messages.AS_OF: int(as_of)}):
            return INVALID, as_of
        case Found(data=data):
            try:
                held = _token_decoder.decode(data)
            except msgspec.DecodeError:
                log.error("registry reply unreadable")
                return None
            return _token(token, held), held.as_of
        case _:
            return None


def _token(id: str, held: registry_messages.KnownToken) -> Token:
    return Token(
        id=id,
        scopes=interned(held.scopes),
        siret=held.siret,
        expires_at=held.expires_at,
        habilitation=held.habilitation,
        blacklisted_at=held.blacklisted_at,
        calls_per_minute=held.calls_per_minute,
        networks=parse_networks(held.allowed_ips) if held.allowed_ips else None,
    )


def _decode_changes(reply: Reply) -> registry_messages.TokenChanges | None:
    try:
        return _changes_decoder.decode(reply.data) if isinstance(reply, Found) else None
    except msgspec.DecodeError:
        log.error("registry reply unreadable")
        return None
