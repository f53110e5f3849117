"""Admission control, before hop 1: a process answers so many requests at a time and refuses one more at once
(docs/adr/0009).

A refusal costs little: it reads no token, asks no store, opens no span and writes no log line of its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Middleware

from bouquet_gateway import metrics
from bouquet_gateway.call import request_id_of
from bouquet_gateway.errors.problems import NO_ROWS, Problem, render, retry_after
from bouquet_gateway.http.responses import json_bytes
from bouquet_gateway.paths import envelope_of
from bouquet_mesh.http.answers import NAME

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

ALWAYS_OPEN = frozenset({"/livez", "/readyz", "/metrics", "/api/ping"})
"""Never refused: whoever watches a gateway must see it most of all when it is full."""

LOGGED_EVERY_S = 10.0


def admission(max_requests: int) -> Middleware:
    """The outermost middleware: counts the requests in hand, `ALWAYS_OPEN` apart, and refuses those above
    `max_requests` with 503 `00529`."""
    in_hand = 0

    def count() -> int:
        return in_hand

    metrics.MAX_IN_FLIGHT.set(max_requests)
    metrics.IN_FLIGHT.set_function(count)
    refusals = _Refusals()

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal in_hand
        if request.path in ALWAYS_OPEN:
            return await handler(request)
        if in_hand >= max_requests:
            return refusals.answer(request)
        in_hand += 1
        try:
            return await handler(request)
        finally:
            in_hand -= 1

    return admit


class _Refusals:
    """The answer to every refused request, rendered once for each envelope."""

    def __init__(self) -> None:
        overloaded = Problem("overloaded")
        self._rendered = {envelope: render(overloaded, NO_ROWS, envelope) for envelope in ("v2", "v3")}
        self._headers = {"Retry-After": str(retry_after(overloaded)), "Server": NAME, "Cache-Control": "no-store"}
        self._refused = metrics.REFUSED.labels("overloaded", "")
        self._not_logged = 0
        self._logged_at = float("-inf")

    def answer(self, request: web.Request) -> web.Response:
        status, body = self._rendered[envelope_of(request.path)]
        self._refused.inc()
        metrics.requests("none", "", status, "platform").inc()
        metrics.problems("overloaded", "platform").inc()
        self._log()
        return json_bytes(body, status, self._headers | {"X-Request-Id": request_id_of(request.headers)})

    def _log(self) -> None:
        """One line for all the refusals of a while."""
        self._not_logged += 1
        now = time.monotonic()
        if now - self._logged_at >= LOGGED_EVERY_S:
            log.warning("overloaded", extra={"refused": self._not_logged})
            self._not_logged, self._logged_at = 0, now
