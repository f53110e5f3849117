"""The turnstile before hop 1: so many requests at a time, the others told at once to come back (docs/adr/0009).

Before anything that costs: most refusals are written as soon as their request is read, and none reads a token, asks a
store, opens a span or writes a line of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Middleware

from bouquet_gateway import metrics
from bouquet_gateway.call import request_id_of
from bouquet_gateway.errors.problems import NO_ROWS, Problem, render, retry_after
from bouquet_gateway.http.connection import NAME
from bouquet_gateway.http.responses import json_bytes
from bouquet_gateway.load.adaptive_limit import Intake
from bouquet_gateway.paths import Envelope, envelope_of

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

ALWAYS_OPEN = frozenset({"/livez", "/readyz", "/metrics", "/api/ping"})
"""Whoever watches a gateway must see it most of all when it is full."""

TOLD_EVERY_S = 10.0

_OVERLOADED = Problem("overloaded")


class Turnstile:
    """Lets in `most` requests at once, and into each turn of the event loop as many as make it last `turn_s`."""

    def __init__(self, most: int, turn_s: float) -> None:
        self._most = most
        self._under_way = 0
        self._intake = Intake(most, turn_s)
        self._turning = False
        self._refusals = _Refusals()
        metrics.MAX_IN_FLIGHT.set(most)
        metrics.IN_FLIGHT.set_function(lambda: self._under_way)
        metrics.MAX_PER_TURN.set_function(lambda: self._intake.per_turn)

    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        """What is written to who asks, as soon as his request is read; nothing if he is let in."""
        if path in ALWAYS_OPEN or (self._under_way < self._most and self._has_room()):
            return b""
        return self._refusals.written(method, path, headers)

    def _has_room(self) -> bool:
        """A turn begins with who comes first, and takes two passes of the loop, as he does: to the task of his
        connection, and to that of his request."""
        if not self._turning:
            self._turning = True
            self._intake.begin()
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._end_turn)
        return self._intake.takes()

    def _end_turn(self) -> None:
        self._turning = False
        self._intake.end()

    @property
    def middleware(self) -> Middleware:
        """Counts them, and refuses those whose refusal is no simple thing: they have a body, or come in a row."""

        @web.middleware
        async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path in ALWAYS_OPEN:
                return await handler(request)
            if self._under_way >= self._most:
                return self._refusals.answer(request)
            self._under_way += 1
            try:
                return await handler(request)
            finally:
                self._under_way -= 1

        return admit


class _Refusals:
    """The same two answers to everybody, made once."""

    def __init__(self) -> None:
        self._headers = {"Retry-After": str(retry_after(_OVERLOADED)), "Server": NAME}
        self._bodies: dict[Envelope, tuple[int, bytes]] = {
            envelope: render(_OVERLOADED, NO_ROWS, envelope) for envelope in ("v2", "v3")
        }
        self._heads = {envelope: self._head(*self._bodies[envelope]) for envelope in self._bodies}
        self._refused = metrics.REFUSED.labels("overloaded", "")
        self._untold = 0
        self._told_at = float("-inf")

    def answer(self, request: web.Request) -> web.Response:
        status, body = self._counted(envelope_of(request.path))
        return json_bytes(body, status, self._headers | {"X-Request-Id": request_id_of(request.headers)})

    def written(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        """The same, as it goes over the wire."""
        envelope = envelope_of(path)
        _, body = self._counted(envelope)
        head = self._heads[envelope] + f"X-Request-Id: {request_id_of(headers)}\r\n\r\n".encode()
        return head if method == "HEAD" else head + body

    def _head(self, status: int, body: bytes) -> bytes:
        """But for the request's id and the end."""
        answer = json_bytes(body, status, self._headers | {"Content-Length": str(len(body))})
        lines = [
            f"HTTP/1.1 {answer.status} {answer.reason}",
            *(f"{name}: {answer.headers[name]}" for name in answer.headers),
        ]
        return "".join(f"{line}\r\n" for line in lines).encode()

    def _counted(self, envelope: Envelope) -> tuple[int, bytes]:
        self._tell()
        status, body = self._bodies[envelope]
        self._refused.inc()
        metrics.requests("none", "", status, "platform").inc()
        metrics.problems("overloaded", "platform").inc()
        return status, body

    def _tell(self) -> None:
        """One line for all the refusals of a while."""
        self._untold += 1
        now = time.monotonic()
        if now - self._told_at >= TOLD_EVERY_S:
            log.warning("overloaded", extra={"refused": self._untold})
            self._untold, self._told_at = 0, now
