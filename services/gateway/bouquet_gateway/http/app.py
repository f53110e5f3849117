"""The HTTP application: the routes that need no provider, a catch-all for the offers', and the hops around them."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from aiohttp import web
from opentelemetry.trace import SpanKind, StatusCode

from bouquet_gateway import metrics
from bouquet_gateway.access.callers import admitted, token_of
from bouquet_gateway.access.tokens import carrier_of
from bouquet_gateway.call import JOURNEY, Journey, request_id_of
from bouquet_gateway.errors.nomenclature import nomenclature
from bouquet_gateway.errors.problems import Problem, render, retry_after, row_of
from bouquet_gateway.http.connection import NAME
from bouquet_gateway.http.responses import json_bytes, json_of
from bouquet_gateway.http.server import DOORKEEPER
from bouquet_gateway.load.admission import Turnstile
from bouquet_gateway.lookup import answer
from bouquet_gateway.paths import READING, Envelope, envelope_of, tidy
from bouquet_gateway.public import pings
from bouquet_gateway.state import GATEWAY, Gateway
from bouquet_mesh.observe import logs, request_context, spans
from bouquet_mesh.observe.metrics import exposition
from bouquet_proto.deadline import Deadline
from bouquet_proto.failures import FAILURES
from bouquet_proto.offer import Retirement

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

EARLY = frozenset({"token_blacklisted", "ip_forbidden", "too_many_requests"})
"""Answered before routing, and so in v2's form under `/api/v2/` alone (http-contract §3.1)."""


OPENAPI: dict[str, Envelope | None] = {
    "/api/openapi.json": None,
    "/api/open-api.yml": "v2",
    "/api/open-api-v2.yml": "v2",
    "/api/france-connect/open-api.yml": "v2",
    "/api/open-api-v3.yml": "v3",
}
"""Ours, whole; and the parts of it where the reference has its documents (http-contract §5.4): JSON is YAML."""


def make_app(gateway: Gateway) -> web.Application:
    turnstile = Turnstile(gateway.settings.max_requests, gateway.settings.turn_s)
    app = web.Application(middlewares=[turnstile.middleware, observe, recorded, problems])
    app[DOORKEEPER] = turnstile
    app[GATEWAY] = gateway
    app.add_routes(
        [
            web.get("/livez", livez),
            web.get("/readyz", readyz),
            web.get("/metrics", prometheus if gateway.settings.processes == 1 else metrics_elsewhere),
            web.get("/api/ping", ping),
            web.get("/api/pings", pings.pings),
            web.get("/api/{status}/ping", pings.ping),
            web.get("/api/introspect", introspect),
            *(web.get(path, openapi_document) for path in OPENAPI),
            web.get("/api/errors", errors),
            web.route("*", "/{path:.*}", offered),
        ]
    )
    return app


def make_own_app(gateway: Gateway) -> web.Application:
    """What one of several processes tells of itself alone."""
    app = web.Application()
    app[GATEWAY] = gateway
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", prometheus)])
    return app


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Hop 1: the request's id, its root span, its metrics, and the headers that every answer carries."""
    path = tidy(request.path)
    journey = Journey(request_id_of(request.headers), envelope_of(path), path)
    request[JOURNEY] = journey
    token = request_context.request_id.set(journey.request_id)
    attributes = {"http.request.method": request.method, "url.scheme": request.scheme}
    try:
        with spans.span(request.method, SpanKind.SERVER, attributes, request.headers) as span:
            response = await handler(request)
            route = journey.served.operation.path if journey.served else ""
            if route:
                span.update_name(f"{request.method} {route}")
                span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", response.status)
            if response.status >= 500:
                span.set_status(StatusCode.ERROR)
            operation = journey.operation or "none"
            elapsed_s = time.perf_counter() - journey.began
            log.info(
                "request answered",
                extra={
                    "operation": operation,
                    "status": response.status,
                    "duration_ms": round(elapsed_s * 1000, 1),
                    "cached": journey.cached_for_s is not None,
                },
            )
    finally:
        request_context.request_id.reset(token)
    version = journey.served.version if journey.served else ""
    metrics.requests(operation, version, response.status, journey.fault).inc()
    metrics.request_seconds(operation).observe(elapsed_s, spans.exemplar(span))
    if journey.waited_s:
        metrics.OVERHEAD_SECONDS.observe(elapsed_s - journey.waited_s)
    response.headers.update(_headers(journey))
    return response


@web.middleware
async def recorded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Beside the hops: the record of the call, before its answer leaves."""
    response = await handler(request)
    try:
        request.app[GATEWAY].journal.end(request[JOURNEY], response.status)
    except Problem as problem:
        return _error(request, problem)
    return response


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Hop 2: the one place where a failure becomes an HTTP error."""
    try:
        return await handler(request)
    except Problem as problem:
        return _error(request, problem)
    except web.HTTPNotFound:  # aiohttp's own, of a target that is no path: `*`, a host, a line break
        return _error(request, Problem("unknown_route"))
    except Exception as error:
        log.error("gateway bug", extra={"error": type(error).__name__, "at": logs.where(error)})
        return _error(request, Problem("internal"))


def _error(request: web.Request, problem: Problem) -> web.Response:
    journey = request[JOURNEY]
    journey.problem, own = problem, journey.problems
    for reason in problem.reasons:
        metrics.problems(reason if reason in FAILURES else "own", row_of(reason, own).fault).inc()
    v3_anyway = EARLY.issuperset(problem.reasons) and "/api/v2/" not in request.path
    status, body = render(problem, own, "v3" if v3_anyway else journey.envelope)
    response = json_bytes(body, status)
    if (seconds := retry_after(problem, own)) is not None:
        response.headers["Retry-After"] = str(seconds)
    return response


def _headers(journey: Journey) -> dict[str, str]:
    headers = {"X-Request-Id": journey.request_id, "Server": NAME}
    if journey.pace is not None:
        headers |= journey.pace.headers()
    if journey.reached_data:
        hit = journey.cached_for_s is not None
        headers["X-Response-Cached"] = "true" if hit else "false"
        headers["X-Cache-Expires-in"] = str(journey.cached_for_s) if hit else ""
    if journey.served and journey.served.operation.retirement:
        headers |= _retirement_headers(journey.served.operation.retirement)
    return headers


def _retirement_headers(retirement: Retirement) -> dict[str, str]:
    """`Deprecation` by RFC 9745 (a date as `@` and epoch seconds), `Sunset` by RFC 8594 (an HTTP date)."""
    headers = {"Deprecation": f"@{int(_midnight(retirement.deprecated_on).timestamp())}"}
    if retirement.sunset_on:
        headers["Sunset"] = f"{_midnight(retirement.sunset_on):%a, %d %b %Y %H:%M:%S} GMT"
    if retirement.successor:
        headers["Link"] = f'<{retirement.successor}>; rel="successor-version"'
    return headers


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


async def livez(_: web.Request) -> web.Response:
    return json_of({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    waiting = lacking(request.app[GATEWAY])
    return json_of({"status": "waiting", "for": waiting}, 503) if waiting else json_of({"status": "ready"})


def lacking(gateway: Gateway) -> list[str]:
    """Ready when calls can be carried and recorded, tokens told apart, and at least one provider has said what it
    answers."""
    missing = {
        "bus": not gateway.bus.ready,
        "offers": not gateway.catalogue.offers,
        "registry": not gateway.holders.ready,
        "journal": gateway.journal.is_full,
    }
    return [name for name, lacks in missing.items() if lacks]


async def prometheus(request: web.Request) -> web.Response:
    pings.measure(request.app[GATEWAY])
    body, content_type = exposition(request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type})


async def metrics_elsewhere(request: web.Request) -> web.Response:
    """Whoever is asked here is any one of several, and the next time another: sums of that would be wrong."""
    settings = request.app[GATEWAY].settings
    ports = f"{settings.port + 1} to {settings.port + settings.processes}"
    return web.Response(status=404, text=f"Each process has its own metrics, at ports {ports}.\n")


async def ping(_: web.Request) -> web.Response:
    return json_of("pong")


async def introspect(request: web.Request) -> web.Response:
    """The caller's own token, never throttled (http-contract §2.5)."""
    gateway, journey = request.app[GATEWAY], request[JOURNEY]
    journey.built_in = "introspect"
    gateway.journal.begin(journey)
    deadline = Deadline.after(gateway.settings.deadline_s)
    carrier = carrier_of(request.headers, lambda: request.query)
    holder = await admitted(gateway, request, carrier, deadline)
    token = await token_of(gateway, request, carrier, holder, deadline)
    journey.reached_data = True
    return json_of({"_id": token.id, "name": "", "scopes": sorted(token.scopes)})


async def errors(request: web.Request) -> web.Response:
    """The error nomenclature, whole or of `operation_id`."""
    catalogue = request.app[GATEWAY].catalogue
    return json_of({"errors": nomenclature(catalogue, request.query.get("operation_id", ""))})


async def offered(request: web.Request) -> web.Response:
    """What workers offer: a document, for anybody, or data."""
    document = request.app[GATEWAY].catalogue.documents.get(request[JOURNEY].path)
    if document is not None and request.method in READING:
        return json_bytes(document)
    return await answer.answer(request)


async def openapi_document(request: web.Request) -> web.Response:
    return json_of(request.app[GATEWAY].document(OPENAPI[request.path]))
