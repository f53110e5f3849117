"""The aiohttp application of the API: authenticates, reads, answers and logs each request."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeAlias
from uuid import uuid4

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware
from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from bouquet_mesh.observe.logs import raised_at
from bouquet_mesh.observe.request_context import request_id
from bouquet_registry import metrics
from bouquet_registry.acts import Author
from bouquet_registry.administration import Administration
from bouquet_registry.api import openapi
from bouquet_registry.api.access import Clients
from bouquet_registry.api.errors import MALFORMED_ID, STATUSES, ApiError, Error, api_error_of
from bouquet_registry.api.inputs import read_author, read_body, read_query
from bouquet_registry.api.route import ApiRequest, Route
from bouquet_registry.refusals import RefusalError

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 256 * 1024
"""Largest accepted body of a request, in bytes."""
TIMEOUT_S = 20.0
"""Longest time, in seconds, that a request may take. A longer request is cancelled and answered with 503."""
DOCUMENT_ROUTE_NAME = "read_document"
"""Name that logs and metrics give to requests for the OpenAPI document."""
UNKNOWN_ROUTE_NAME = "unknown"
"""Name that logs and metrics give to requests that match no route."""
NOBODY = Author("")
"""Author with an empty name. Used for requests that only read data, whose author need not be recorded."""
ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
"""Pattern of the ids in paths and in `X-Request-Id`. Paths with other ids are answered with 404. The API replaces other
values of `X-Request-Id`."""
UNAVAILABLE = "the database is unavailable; an act may have been done: read its record before trying again"
REQUEST_ID = "X-Request-Id"
"""Header with the id of a request, which the answer and the logs repeat. A client may choose an id that matches the
pattern `ID`; otherwise the API makes one."""
DONE = "done"
"""Value of the metrics' label `outcome` for a request that was answered without error."""
OUTCOME: web.ResponseKey[str] = web.ResponseKey("outcome", str)
"""Key under which an error answer (aiohttp response) keeps the code of its first error, such as `invalid`, for a
metric."""
HEADERS = {"Cache-Control": "no-store", "Server": "bouquet"}

RequestHandler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(administration: Administration, routes: Iterable[Route], clients: Clients) -> web.Application:
    """Returns the aiohttp application of the API. If `clients` is empty, requests need no secret: clients are known by
    their TLS certificates only."""
    known = tuple(routes)
    document = openapi.document(known)
    handlers = {(route.method, route.path): (route.name, _handler_of(administration, route)) for route in known}
    handlers["GET", openapi.PATH] = (DOCUMENT_ROUTE_NAME, _constant(msgspec.json.encode(document)))
    names = {handler: name for name, handler in handlers.values()}
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_middleware(clients, names)])
    for (method, path), (_, handler) in handlers.items():
        app.router.add_route(method, path, handler)
    return app


def _constant(body: bytes) -> RequestHandler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return _json(body, 200)

    return answer


def _handler_of(administration: Administration, route: Route) -> RequestHandler:
    """Returns the aiohttp handler of a route, which answers with the result of `Route.handler` as JSON."""

    async def answer(request: web.Request) -> web.StreamResponse:
        call = await _read(request, route)
        answered = await route.handler(administration, call)
        if route.is_act:
            metrics.API_ACTS.labels(route.name).inc()
        return _json(msgspec.json.encode(answered), route.status)

    return answer


async def _read(request: web.Request, route: Route) -> ApiRequest:
    """Reads the headers and parameters (or body) of a request. Raises one `ApiError` for all errors found."""
    errors: list[Error] = []
    author, inputs = NOBODY, None
    body = await _body(request)
    try:
        author = read_author(request.headers) if route.is_act else NOBODY
    except ApiError as error:
        metrics.API_ANONYMOUS_ACTS.inc()
        errors += error.answer.errors
    try:
        if route.takes is not None:
            inputs = _given(request, body, route, route.takes)
    except ApiError as error:
        if error.status != STATUSES["invalid"]:
            raise
        errors += error.answer.errors
    if errors:
        raise ApiError(*errors)
    ids = tuple(request.match_info.values())
    if not all(map(ID.fullmatch, ids)):
        raise ApiError(MALFORMED_ID)
    parent, id_ = ("", "", *ids)[-2:]
    query = tuple(request.query.items()) if route.has_open_query else ()
    return ApiRequest(id_, inputs, author, parent, query)


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except ConnectionError:  # of the client, not of the database
        raise ApiError(Error("malformed", "the connection ended before the body")) from None


def _given(request: web.Request, body: bytes, route: Route, kind: type[Struct]) -> Struct:
    return read_query(request.query, kind) if route.method == "GET" else read_body(body, kind, route.check)


def _middleware(clients: Clients, names: Mapping[RequestHandler, str]) -> Middleware:
    """Returns the middleware that authenticates each request, answers all errors in the same format, and logs the
    answer. `names` gives each handler the name of its route in logs and metrics."""

    @web.middleware
    async def answer(request: web.Request, handler: RequestHandler) -> web.StreamResponse:
        began, client = time.monotonic(), clients.name_of(request.headers)
        id_ = request.headers.get(REQUEST_ID, "")
        request_id.set(id_ if ID.fullmatch(id_) else str(uuid4()))
        name = names.get(request.match_info.handler, UNKNOWN_ROUTE_NAME)
        if clients and not client:
            response: web.StreamResponse = _refusal(
                ApiError(Error("unauthenticated", "a client's secret is required as a bearer token"))
            )
            response.headers["WWW-Authenticate"] = "Bearer"
        else:
            response = await _answered(request, handler)
        duration_s = time.monotonic() - began
        metrics.API_REQUESTS.labels(name, response.get(OUTCOME, DONE)).inc()
        metrics.API_REQUEST_SECONDS.labels(name).observe(duration_s)
        duration_ms = round(duration_s * 1000, 1)
        log.info(
            "api request answered",
            extra={"operation": name, "status": response.status, "client": client, "duration_ms": duration_ms},
        )
        response.headers[REQUEST_ID] = request_id.get()
        return response

    return answer


async def _answered(request: web.Request, handler: RequestHandler) -> web.StreamResponse:
    """Calls the handler of a request and returns its answer. If the handler raises an exception, returns an error
    answer."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await handler(request)
    except ApiError as error:
        return _refusal(error)
    except RefusalError as refused:
        return _refusal(api_error_of(refused))
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        return _refusal(ApiError(Error("unknown_route", "no route has this method and path")))
    except web.HTTPRequestEntityTooLarge:
        return _refusal(ApiError(Error("too_large", f"the body is longer than {MAX_BODY_BYTES} bytes")))
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        log.error("database unavailable", extra={"error": type(error).__name__})
        return _refusal(ApiError(Error("unavailable", UNAVAILABLE)))
    except Exception as error:
        log.error("api request failed", extra={"error": type(error).__name__, "at": raised_at(error)})
        return _refusal(ApiError(Error("internal", "the registry failed; its log says where")))


def _refusal(error: ApiError) -> web.Response:
    response = _json(msgspec.json.encode(error.answer), error.status)
    response[OUTCOME] = error.answer.errors[0].code
    return response


def _json(body: bytes, status: int) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8", headers=HEADERS)
