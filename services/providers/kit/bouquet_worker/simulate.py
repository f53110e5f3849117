"""Simulators: HTTP servers that speak an upstream's own dialect. No production code imports this module."""

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

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from msgspec import Struct

from bouquet_mesh.observe import spans
from bouquet_mesh.process import Process, run_process
from bouquet_worker.worker import paris_today

log = logging.getLogger(__name__)


class Simulator(Struct, frozen=True):
    """One provider's simulated upstream."""

    provider: str
    app: Callable[[], web.Application]
    settings: Callable[[str], dict[str, str]]
    """From the URL where the simulator answers to the environment of a worker that asks it."""


class Received(Struct, frozen=True):
    """A request as it came, for tests that assert the exact wire form."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes


RECEIVED = web.AppKey("received", list[Received])
CLOCK = web.AppKey[Callable[[], date]]("clock")
"""What a simulator takes for today; tests set it."""


@web.middleware
async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keeps the last requests of a simulator in `app[RECEIVED]`."""
    received = request.app[RECEIVED]
    received.append(
        Received(
            request.method, request.path, tuple(request.query.items()), dict(request.headers), await request.read()
        )
    )
    del received[:-100]
    with spans.within_trace(request.headers):
        response = await handler(request)
        log.info("simulated", extra={"status": response.status})
        return response


def simulated(*middlewares: Middleware) -> web.Application:
    """An application that records what it receives, and has a clock."""
    app = web.Application(middlewares=[record, *middlewares])
    app[RECEIVED] = []
    app[CLOCK] = paris_today
    return app


class Fault(StrEnum):
    """What an upstream does when it is unwell."""

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
"""Beyond every deadline of the mesh."""


async def misbehave(request: web.Request, fault: Fault) -> web.StreamResponse:
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


class TokenDesk:
    """An OAuth2 token endpoint that knows its clients, and whose tokens really expire."""

    def __init__(self, clients: Mapping[str, str], *, expires_in_s: int = 3600) -> None:
        self._clients = clients
        self._expires_in_s = expires_in_s
        self._tokens: dict[str, float] = {}

    async def issue(self, request: web.Request) -> web.Response:
        """Client credentials in Basic (either base64 alphabet) or in the form."""
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

    def admits(self, request: web.Request) -> bool:
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
    """Every simulator under its provider's name: `/cnaf/…`."""
    app = web.Application()
    for simulator in simulators:
        app.add_subapp(f"/{simulator.provider}", simulator.app())
    return app


async def run_simulators(simulators: Iterable[Simulator], environ: Mapping[str, str], host: str, port: int) -> None:
    """Serves simulators on one port until SIGTERM. Raises `SettingsError`."""

    @asynccontextmanager
    async def serving(process: Process, _: None) -> AsyncIterator[None]:
        async with process.listening(on_one_port(simulators), host, port) as url:
            process.ready_when(dict)
            sys.stdout.write(f"simulators on {url}\n")
            sys.stdout.flush()
            yield

    await run_process("bouquet-simulators", environ, lambda *_: None, serving)
