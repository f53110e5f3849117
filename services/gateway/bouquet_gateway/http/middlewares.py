"""Middlewares around every endpoint: request id, trace span, metrics, headers, access record, errors, and refusal of
percent-encoded paths."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from bouquet_gateway.call import Call, request_id_of
from bouquet_gateway.call_report import report_call
from bouquet_gateway.errors.answers import answer_of, problem_of
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.http.responses import json_bytes_response
from bouquet_gateway.journal.record import Journal
from bouquet_gateway.paths import ENCODED, envelope_of, normalise_path
from bouquet_mesh.http.refusals import SERVER_NAME
from bouquet_mesh.observe import request_context, spans
from bouquet_proto.offer import Retirement

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CALL = web.RequestKey("call", Call)


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Traces, logs and measures each call, gives the call a request id, and adds the gateway's headers to the
    answer."""
    path = normalise_path(request.path)
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
            report_call(call, request.method, response.status, span)
    finally:
        request_context.request_id.reset(token)
    response.headers.update(headers_of(call))
    response.headers.setdefault("Cache-Control", "no-store")
    if response.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
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
    """Converts a `Problem`, or any other exception that the endpoint raises, to an HTTP error."""
    try:
        return await handler(request)
    except web.HTTPNotFound:  # raised by aiohttp for a target that is not a path: `*`, a host, a line break
        return _error(request, Problem("unknown_route"))
    except Exception as error:
        return _error(request, problem_of(error))


def refuse_encoded_paths(lookups: Handler) -> Middleware:
    """Returns a middleware that refuses every path with percent-encoded characters. The handler `lookups` answers 404
    to such requests."""
    # Otherwise an encoded spelling of one of the gateway's own paths would be answered.

    @web.middleware
    async def answer_encoded(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await (lookups if ENCODED in request.rel_url.raw_path else handler)(request)

    return answer_encoded


def _error(request: web.Request, problem: Problem) -> web.Response:
    answer = answer_of(problem, request[CALL], request.path)
    response = json_bytes_response(answer.body, answer.status)
    if answer.retry_after_s is not None:
        response.headers["Retry-After"] = str(answer.retry_after_s)
    return response


def headers_of(call: Call) -> dict[str, str]:
    """Returns the answer's headers that depend on its call, such as request id and rate limit."""
    # If the call may get data, they say whether it comes from the cache. If the operation's retirement is announced,
    # they give the dates.
    headers = {"X-Request-Id": call.request_id, "Server": SERVER_NAME, **call.rate_limit}
    if call.reached_data:
        hit = call.cache_expires_in_s is not None
        headers["X-Response-Cached"] = "true" if hit else "false"
        headers["X-Cache-Expires-in"] = str(call.cache_expires_in_s) if hit else ""
    if call.retirement:
        headers |= _retirement_headers(call.retirement)
    return headers


def _retirement_headers(retirement: Retirement) -> dict[str, str]:
    """Returns the headers of an operation whose end is announced: `Deprecation` (RFC 9745), `Sunset` (RFC 8594), and a
    `Link` to the successor."""
    headers = {"Deprecation": f"@{int(_midnight(retirement.deprecated_on).timestamp())}"}
    if retirement.sunset_on:
        headers["Sunset"] = f"{_midnight(retirement.sunset_on):%a, %d %b %Y %H:%M:%S} GMT"
    if retirement.successor:
        headers["Link"] = f'<{retirement.successor}>; rel="successor-version"'
    return headers


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)
