"""Simulators: HTTP servers that answer as a real upstream does. No production code imports this module."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import date
from enum import StrEnum
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from msgspec import Raw, Struct

from bouquet_mesh.observe import spans
from bouquet_mesh.process import Process, run_process
from bouquet_worker.paris import paris_today

log = logging.getLogger(__name__)


class Simulator(Struct, frozen=True):
    """Simulator of a provider's upstreams: an HTTP server that answers as the real upstreams do."""

    provider: str
    app: Callable[[], web.Application]
    settings: Callable[[str], dict[str, str]]
    """Function that takes the simulator's URL, and returns the environment variables that make a worker call the
    simulator."""


class Received(Struct, frozen=True):
    """Request that a simulator received, for tests of what a worker sends."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    """Names and values of the query, decoded."""
    headers: Mapping[str, str]
    body: bytes


RECEIVED = web.AppKey("received", list[Received])
"""Key of a simulator's last 100 requests, in its aiohttp application."""
CLOCK = web.AppKey[Callable[[], date]]("clock")
"""Key, in a simulator's aiohttp application, of the function that returns today's date."""


@web.middleware
async def record_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keeps the request in the list `app[RECEIVED]`, answers it by the handler, and logs the answer's status."""
    received = request.app[RECEIVED]
    received.append(
        Received(
            request.method, request.path, tuple(request.query.items()), dict(request.headers), await request.read()
        )
    )
    del received[:-100]
    with spans.within_trace(request.headers):
        response = await handler(request)
        log.info("simulator answered", extra={"status": response.status})
        return response


def simulator_app(*middlewares: Middleware) -> web.Application:
    """Returns an application for a simulator, with `app[RECEIVED]` (its last requests) and `app[CLOCK]` (today's date).
    The simulator's author adds the routes."""
    app = web.Application(middlewares=[record_request, *middlewares])
    app[RECEIVED] = []
    app[CLOCK] = paris_today
    return app


class RecordedAnswer(Struct, frozen=True, kw_only=True):
    """Recorded request to an upstream, with the simulator's answer. `status` is the answer's HTTP status, and `answer`
    its body. The other fields describe the request."""

    method: str
    path: str
    query: list[tuple[str, str]] = []
    """Names and values of the query, decoded and sorted."""
    body: str = ""
    status: int
    answer: Raw
    """Body of the answer, as JSON."""


def recorded_answers(folder: Path) -> Middleware:
    """Returns a middleware that answers recorded requests. `folder` holds the recordings: JSON files, each a list of
    `RecordedAnswer`. All other requests go to the simulator's own handlers."""
    recorded = [answer for path in sorted(folder.glob("*.json")) for answer in _recorded_in(path)]

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        query, body = sorted(request.query.items()), await request.text()
        for one in recorded:
            # Several simulators on one port have their provider's name before the path.
            if request.path.endswith(one.path) and (request.method, query, body) == (one.method, one.query, one.body):
                return web.Response(body=bytes(one.answer), status=one.status, content_type="application/json")
        return await handler(request)

    return middleware


def _recorded_in(path: Path) -> Iterable[RecordedAnswer]:
    return msgspec.json.decode(path.read_bytes(), type=list[RecordedAnswer])


class Fault(StrEnum):
    """A fault of a simulated upstream: a status, a broken body, a delay or a cut connection."""

    INTERNAL = "internal"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    GATEWAY_TIMEOUT = "gateway_timeout"
    HTML = "html"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    REDIRECT = "redirect"
    SLOW = "slow"
    CUT = "cut"


_STATUS = {
    Fault.INTERNAL: 500,
    Fault.RATE_LIMITED: 429,
    Fault.UNAVAILABLE: 503,
    Fault.GATEWAY_TIMEOUT: 504,
}
_HTML = "<html><head><title>Erreur</title></head><body><h1>Internal Server Error</h1></body></html>"
SLOW_S = 30.0
"""Seconds by which `Fault.SLOW` delays an answer, longer than any gateway waits."""


async def respond_with_fault(request: web.Request, fault: Fault) -> web.StreamResponse:
    """Answers a request as an upstream with the given fault does."""
    match fault:
        case Fault.HTML:
            return web.Response(text=_HTML, content_type="text/html")
        case Fault.TRUNCATED:
            return web.Response(text='{"allocataires": [{"nomNaissance": "', content_type="application/json")
        case Fault.EMPTY:
            return web.Response(content_type="application/json")
        case Fault.REDIRECT:
            raise web.HTTPFound("/elsewhere")
        case Fault.SLOW:
            await asyncio.sleep(SLOW_S)
            return web.Response(status=504)
        case Fault.CUT:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        case _:
            return web.Response(status=_STATUS[fault], text=_HTML, content_type="text/html")


class TokenEndpoint:
    """A simulated OAuth 2.0 token endpoint, whose tokens expire.

    Args:
        clients: Client secrets by client id.
        expires_in_s: Lifetime of a token, in seconds.
    """

    def __init__(self, clients: Mapping[str, str], *, expires_in_s: int = 3600) -> None:
        self._clients = clients
        self._expires_in_s = expires_in_s
        self._tokens: dict[str, float] = {}

    async def issue(self, request: web.Request) -> web.Response:
        """Answers a token request: with a token if the client's credentials are right, else with 401."""
        # The credentials are read from the header `Authorization: Basic`, in either alphabet of base64, or from the
        # form.
        form = await request.post()
        client_id, client_secret = _basic(request) or (
            str(form.get("client_id", "")),
            str(form.get("client_secret", "")),
        )
        expected = self._clients.get(client_id)
        if expected is None or not secrets.compare_digest(expected, client_secret):
            return web.json_response({"error": "invalid_client"}, status=401)
        token = secrets.token_hex(12)
        self._tokens[token] = time.monotonic() + self._expires_in_s
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": self._expires_in_s})

    def accepts(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme == "Bearer" and self._tokens.get(token, 0.0) > time.monotonic()

    def revoke_all(self) -> None:
        self._tokens.clear()


def _basic(request: web.Request) -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Basic":
        return None
    try:
        decoded = base64.b64decode(encoded.translate(str.maketrans("-_", "+/")), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    client_id, _, client_secret = decoded.partition(":")
    return client_id, client_secret


def on_one_port(simulators: Iterable[Simulator]) -> web.Application:
    """Returns one application that serves all simulators, each under its provider's name, as in `/cnaf/…`."""
    app = web.Application()
    for simulator in simulators:
        app.add_subapp(f"/{simulator.provider}", simulator.app())
    return app


async def run_simulators(simulators: Iterable[Simulator], environ: Mapping[str, str], host: str, port: int) -> None:
    """Serves simulators on one port until SIGTERM. Raises `SettingsError` for wrong settings."""

    @asynccontextmanager
    async def serving(process: Process, _: None) -> AsyncIterator[None]:
        async with process.listening(on_one_port(simulators), host, port) as url:
            process.ready_when(dict)
            sys.stdout.write(f"simulators on {url}\n")
            sys.stdout.flush()
            yield

    await run_process("bouquet-simulators", environ, lambda *_: None, serving)
