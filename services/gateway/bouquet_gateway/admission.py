"""The turnstile before hop 1: so many requests at a time, the others told at once to come back (docs/adr/0009).

Before anything that costs: a refusal reads no token, asks no store, opens no span and writes no line of its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Middleware

from bouquet_gateway import metrics
from bouquet_gateway.catalogue import Envelope, envelope_of
from bouquet_gateway.journey import request_id_of
from bouquet_gateway.problems import NO_ROWS, Problem, render, retry_after
from bouquet_gateway.responses import json_bytes
from bouquet_gateway.server import NAME

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

ALWAYS_OPEN = frozenset({"/livez", "/readyz", "/metrics", "/api/ping"})
"""Whoever watches a gateway must see it most of all when it is full."""

TOLD_EVERY_S = 10.0

_OVERLOADED = Problem("overloaded")


def admission(most: int) -> Middleware:
    """Lets `most` requests be under way at once."""
    in_flight, refusals = 0, _Refusals()
    metrics.MAX_IN_FLIGHT.set(most)
    metrics.IN_FLIGHT.set_function(lambda: in_flight)

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal in_flight
        if request.path in ALWAYS_OPEN:
            return await handler(request)
        if in_flight >= most:
            return refusals.answer(request)
        in_flight += 1
        try:
            return await handler(request)
        finally:
            in_flight -= 1

    return admit


class _Refusals:
    """The same two answers to everybody, made once."""

    def __init__(self) -> None:
        self._bodies: dict[Envelope, tuple[int, bytes]] = {
            envelope: render(_OVERLOADED, NO_ROWS, envelope) for envelope in ("v2", "v3")
        }
        self._headers = {"Retry-After": str(retry_after(_OVERLOADED)), "Server": NAME}
        self._untold = 0
        self._told_at = float("-inf")

    def answer(self, request: web.Request) -> web.Response:
        self._tell()
        status, body = self._bodies[envelope_of(request.path)]
        metrics.REFUSED.labels("overloaded", "").inc()
        metrics.requests("none", "", status, "platform").inc()
        metrics.problems("overloaded", "platform").inc()
        headers = self._headers | {"X-Request-Id": request_id_of(request.headers)}
        return json_bytes(body, status, headers)

    def _tell(self) -> None:
        """One line for all the refusals of a while."""
        self._untold += 1
        now = time.monotonic()
        if now - self._told_at >= TOLD_EVERY_S:
            log.warning("overloaded", extra={"refused": self._untold})
            self._untold, self._told_at = 0, now
