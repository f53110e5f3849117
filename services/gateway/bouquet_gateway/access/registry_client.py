"""Tokens as the registry knows them: asked for once, remembered until the registry reports a change (docs/adr/0008).

The gateway checks the signature; scopes, SIRET, end, blacklist, addresses and rate are the registry's to say.
"""

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

from bouquet_gateway.access.addresses import networks_of
from bouquet_gateway.access.credentials import Credential
from bouquet_gateway.access.tokens import INTERNAL_ID, INVALID, Refusal, Token, Tokens, shared
from bouquet_gateway.stores.single_flight import SingleFlight
from bouquet_mesh.bus.api import Calling
from bouquet_proto import registry_messages
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Changes, Found, NotFound, Reply, WhoIs

log = logging.getLogger(__name__)

ASK_TIMEOUT_S = 2.0
POLL_S = 2.0
SILENT_AFTER_S = POLL_S + ASK_TIMEOUT_S + 1.0
STANDS = 2
"""How many times `refresh_s` a token is taken as it was: in use, it is asked for again long before."""

_held = msgspec.json.Decoder(registry_messages.KnownToken)
_news = msgspec.json.Decoder(registry_messages.TokenChanges)


class _Known(Struct, frozen=True):
    """What the registry said of a token, and when it was asked."""

    token: Token | Refusal
    asked_at: float


class RegistryClient:
    """Tokens as the registry knows them: the last `max_known` in use. While it is silent, what is known stands for
    `patience_s`.

    It is asked again for a token in use after `refresh_s`, and nobody waits for it: so it learns that the token is
    used, and mends what it may not have told.
    """

    def __init__(
        self,
        tokens: Tokens,
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
        self._heard_at = -math.inf

    @property
    def ready(self) -> bool:
        return bool(self._log)

    async def token_of(self, credential: Credential, request_id: str, deadline: Deadline) -> Token | Refusal:
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
        if known is not None and self._stands(known):
            return known.token
        return await asyncio.shield(answer)

    async def run(self) -> None:
        """Never ends by itself."""
        while True:
            await self._hear()
            await asyncio.sleep(POLL_S)

    @property
    def _silent_s(self) -> float:
        return self._clock() - self._heard_at

    def _is_fresh(self, known: _Known) -> bool:
        """While nobody answers, what is known is as fresh as can be."""
        if self._silent_s > SILENT_AFTER_S:
            return self._silent_s <= self._patience_s
        return self._clock() - known.asked_at < self._refresh_s

    def _stands(self, known: _Known) -> bool:
        return self._silent_s <= SILENT_AFTER_S and self._clock() - known.asked_at < STANDS * self._refresh_s

    async def _ask(self, question: WhoIs) -> Token | Refusal:
        asked_at = self._clock()
        answer = _read(question.token, await self._bus.call(registry_messages.PROVIDER, question))
        if answer is None:
            known = self._known.get(question.token)  # unless a change was told meanwhile
            return known.token if known and self._silent_s <= self._patience_s else Refusal("registry_unavailable")
        token, as_of = answer
        if as_of >= self._cursor:  # else it may be older than a change that we have heard of
            self._remember(question.token, _Known(token, asked_at))
        return token

    def _remember(self, id: str, known: _Known) -> None:
        self._known[id] = known
        self._known.move_to_end(id)
        if len(self._known) > self._max_known:
            self._known.popitem(last=False)

    async def _hear(self) -> None:
        until = Deadline.after(ASK_TIMEOUT_S).at
        question = Changes(id=str(uuid.uuid4()), deadline=until, log=self._log, since=self._cursor)
        was_silent, asked_at = self._silent_s > SILENT_AFTER_S, self._clock()
        news = _news_in(await self._bus.call(registry_messages.PROVIDER, question))
        if news is None:
            self._tell_silence(was_silent)
            return
        for token in tuple(self._known) if news.tokens is None else news.tokens:
            self._known.pop(token, None)
        self._log, self._cursor, self._heard_at = news.log, news.cursor, asked_at
        if was_silent:
            log.info("registry heard", extra={"cursor": news.cursor})

    def _tell_silence(self, was_silent: bool) -> None:
        """Once, as it begins."""
        if not was_silent and self._silent_s > SILENT_AFTER_S:
            log.error("registry silent", extra={"known_tokens": len(self._known), "patience_s": self._patience_s})


def _read(token: str, reply: Reply) -> tuple[Token | Refusal, int] | None:
    match reply:
        case NotFound(reason=registry_messages.UNKNOWN, meta={registry_messages.AS_OF: int(as_of)}):
            return INVALID, as_of
        case Found(data=data):
            try:
                held = _held.decode(data)
            except msgspec.DecodeError:
                log.error("registry answer unreadable")
                return None
            return _token(token, held), held.as_of
        case _:
            return None


def _token(id: str, held: registry_messages.KnownToken) -> Token:
    return Token(
        id=id,
        scopes=shared(held.scopes),
        siret=held.siret,
        expires_at=held.expires_at,
        habilitation=held.habilitation,
        blacklisted_at=held.blacklisted_at,
        calls_per_minute=held.calls_per_minute,
        networks=networks_of(held.allowed_ips) if held.allowed_ips else None,
    )


def _news_in(reply: Reply) -> registry_messages.TokenChanges | None:
    try:
        return _news.decode(reply.data) if isinstance(reply, Found) else None
    except msgspec.DecodeError:
        log.error("registry answer unreadable")
        return None
