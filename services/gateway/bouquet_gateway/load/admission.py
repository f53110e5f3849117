"""Admission control: a process answers a limited number of requests at a time, and refuses all others at once
(docs/adr/0009)."""
# A refusal reads no token, asks no store, opens no span and writes no log line of its own.

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Middleware

from bouquet_gateway import metrics
from bouquet_gateway.call import request_id_of
from bouquet_gateway.errors.problems import NO_PROVIDER_FAILURES, Problem, render, retry_after
from bouquet_gateway.paths import READING, envelope_of
from bouquet_mesh.http.bodies import AwaitedBodies
from bouquet_mesh.http.refusals import SERVER_NAME

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

NEVER_REFUSED = frozenset({"/livez", "/readyz", "/metrics", "/api/ping"})
"""Paths that even an overloaded process answers, because monitoring needs them."""

LOGGED_EVERY_S = 10.0
"""Seconds that must pass between two log lines about refused requests."""


def admission(max_requests: int) -> Middleware:
    """Returns a middleware that handles at most `max_requests` requests at a time. Further requests are refused with
    HTTP status 503 and error code `00529`."""
    # If requests still wait for their bodies, the one that has waited longest is closed, and the new one takes its
    # place.
    # Requests for a path in `NEVER_REFUSED` are neither counted nor refused.
    in_flight: set[int] = set()
    bodies = AwaitedBodies()

    metrics.MAX_IN_FLIGHT.set(max_requests)
    metrics.IN_FLIGHT.set_function(in_flight.__len__)
    refusals = _RefusalAnswers()

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in NEVER_REFUSED:
            return await handler(request)
        if len(in_flight) >= max_requests:
            closed = bodies.close_longest()
            if closed is None:
                return refusals.answer(request)
            in_flight.discard(id(closed))
        in_flight.add(id(request))
        if request.method not in READING:
            bodies.add(request)
        try:
            return await handler(request)
        finally:
            in_flight.discard(id(request))
            bodies.remove(request)

    return admit


class _RefusalAnswers:
    def __init__(self) -> None:
        overloaded = Problem("overloaded")
        self._rendered = {envelope: render(overloaded, NO_PROVIDER_FAILURES, envelope) for envelope in ("v2", "v3")}
        self._headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Retry-After": str(retry_after(overloaded)),
            "Server": SERVER_NAME,
            "Cache-Control": "no-store",
        }
        self._refused = metrics.REFUSED.labels("overloaded", "")
        self._not_logged = 0
        self._logged_at = float("-inf")

    def answer(self, request: web.Request) -> web.Response:
        status, body = self._rendered[envelope_of(request.path)]
        self._refused.inc()
        metrics.requests("none", "", status, "platform").inc()
        metrics.problems("overloaded", "platform").inc()
        self._count_and_log()
        headers = self._headers | {"X-Request-Id": request_id_of(request.headers)}
        return web.Response(body=body, status=status, headers=headers)

    def _count_and_log(self) -> None:
        """Counts a refused request. At most every ten seconds, logs how many requests have been refused since the last
        such log line."""
        self._not_logged += 1
        now = time.monotonic()
        if now - self._logged_at >= LOGGED_EVERY_S:
            log.warning("overloaded", extra={"refused": self._not_logged})
            self._not_logged, self._logged_at = 0, now
