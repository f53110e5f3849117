"""Middlewares around every endpoint: request id, span, metrics, headers, access record, errors, refusal of encoded
paths."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware
from opentelemetry.trace import StatusCode

from bouquet_gateway import metrics
from bouquet_gateway.call import Call, request_id_of
from bouquet_gateway.errors.problems import Problem, error_envelope, failure_of, render, retry_after
from bouquet_gateway.http.responses import json_bytes_response
from bouquet_gateway.journal.record import Journal
from bouquet_gateway.paths import ENCODED, envelope_of, tidy
from bouquet_mesh.http.answers import NAME
from bouquet_mesh.observe import logs, request_context, spans
from bouquet_proto.failures import FAILURES
from bouquet_proto.offer import Retirement

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CALL = web.RequestKey("call", Call)


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Traces, logs and measures each call under its request id, and adds the gateway's headers to the answer."""
    path = tidy(request.path)
    call = Call(request_id_of(request.headers), envelope_of(path), path)
    request[CALL] = call
    token = request_context.request_id.set(call.request_id)
    attributes = {
        "http.request.method": request.method,
        "url.scheme": request.scheme,
        "bouquet.request_id": call.request_id,
    }
    try:
        with spans.server_span(request.method, attributes, request.headers) as span:
            response = await handler(request)
            if call.route:
                span.update_name(f"{request.method} {call.route}")
                span.set_attribute("http.route", call.route)
            span.set_attribute("http.response.status_code", response.status)
            if response.status >= 500:
                span.set_status(StatusCode.ERROR)
            operation = call.operation or "none"
            elapsed_s = time.perf_counter() - call.began
            log.info(
                "request answered",
                extra={
                    "operation": operation,
                    "status": response.status,
                    "duration_ms": round(elapsed_s * 1000, 1),
                    "cached": call.cached_for_s is not None,
                },
            )
    finally:
        request_context.request_id.reset(token)
    metrics.requests(operation, call.version, response.status, call.fault).inc()
    metrics.request_seconds(operation).observe(elapsed_s, spans.exemplar(span))
    if call.waited_s:
        metrics.OVERHEAD_SECONDS.observe(elapsed_s - call.waited_s)
    response.headers.update(_headers(call))
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def record_access(journal: Journal) -> Middleware:
    """Returns a middleware that writes the journal record of a call before the answer is sent. If the record cannot be
    written, the caller gets an error instead of the answer."""

    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        try:
            journal.end(request[CALL], response.status)
        except Problem as problem:
            return _error(request, problem)
        return response

    return record


@web.middleware
async def render_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Renders a `Problem` or other exception of the endpoint as an HTTP error."""
    try:
        return await handler(request)
    except Problem as problem:
        return _error(request, problem)
    except web.HTTPNotFound:  # raised by aiohttp for a target that is not a path: `*`, a host, a line break
        return _error(request, Problem("unknown_route"))
    except Exception as error:
        log.error("gateway bug", extra={"error": type(error).__name__, "at": logs.raised_at(error)})
        return _error(request, Problem("internal"))


def refuse_encoded_paths(lookups: Handler) -> Middleware:
    """Returns a middleware that refuses every path with percent-encoded characters: it passes the request to the
    handler `lookups`, which answers 404 to such a path."""
    # Otherwise an encoded spelling of one of the gateway's own paths would be answered.

    @web.middleware
    async def answer_encoded(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await (lookups if ENCODED in request.rel_url.raw_path else handler)(request)

    return answer_encoded


def _error(request: web.Request, problem: Problem) -> web.Response:
    call = request[CALL]
    _note_problem(call, problem)
    for reason in problem.reasons:
        metrics.problems(reason if reason in FAILURES else "own", failure_of(reason, call.failures).fault).inc()
    status, body = render(problem, call.failures, error_envelope(problem.reasons, request.path))
    response = json_bytes_response(body, status)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if (seconds := retry_after(problem, call.failures)) is not None:
        response.headers["Retry-After"] = str(seconds)
    return response


def _note_problem(call: Call, problem: Problem) -> None:
    row = failure_of(problem.reasons[0], call.failures)
    call.code = row.code_of(problem.authority.prefix)
    call.outcome = problem.outcome or ("refused" if row.fault == "caller" else "failed")
    call.fault = "" if problem.outcome == "not_found" else row.fault


def _headers(call: Call) -> dict[str, str]:
    headers = {"X-Request-Id": call.request_id, "Server": NAME, **call.rate_limit}
    if call.reached_data:
        hit = call.cached_for_s is not None
        headers["X-Response-Cached"] = "true" if hit else "false"
        headers["X-Cache-Expires-in"] = str(call.cached_for_s) if hit else ""
    if call.retirement:
        headers |= _retirement_headers(call.retirement)
    return headers


def _retirement_headers(retirement: Retirement) -> dict[str, str]:
    """Returns the headers of an announced retirement: `Deprecation` (RFC 9745), `Sunset` (RFC 8594), and a `Link` to
    the successor."""
    headers = {"Deprecation": f"@{int(_midnight(retirement.deprecated_on).timestamp())}"}
    if retirement.sunset_on:
        headers["Sunset"] = f"{_midnight(retirement.sunset_on):%a, %d %b %Y %H:%M:%S} GMT"
    if retirement.successor:
        headers["Link"] = f'<{retirement.successor}>; rel="successor-version"'
    return headers


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)
