"""Middleware that logs and measures each request under the name of its route, never under its path or query string."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from bouquet_portal import logs, metrics

log = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]

NO_ROUTE = "none"
"""Route, in logs and metrics, of a request that reaches no page, such as a request for a static file."""


def log_requests(get_response: GetResponse) -> GetResponse:
    """Middleware that gives each request an id, and logs and counts the response. The response carries the id in
    `X-Request-Id`."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        id = str(uuid.uuid4())
        token = logs.request_id.set(id)
        begun = time.perf_counter()
        try:
            response = get_response(request)
            response.headers["X-Request-Id"] = id
            _note(request, response.status_code, time.perf_counter() - begun)
            return response
        finally:
            logs.request_id.reset(token)

    return middleware


def _note(request: HttpRequest, status: int, took_s: float) -> None:
    route = (request.resolver_match and request.resolver_match.view_name) or NO_ROUTE
    metrics.REQUESTS.labels(route, status).inc()
    metrics.REQUEST_SECONDS.labels(route).observe(took_s)
    log.info("page answered", extra={"route": route, "status": status, "duration_ms": round(took_s * 1000, 1)})
