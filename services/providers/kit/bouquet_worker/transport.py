"""HTTP requests to an upstream, sent through a connection pool and recorded in spans and metrics. Errors of the
connection become `UpstreamError`."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from ssl import SSLContext, SSLError
from typing import Self

import aiohttp
from opentelemetry.trace import SpanKind, StatusCode
from yarl import URL

from bouquet_mesh.observe.spans import add_attributes, exemplar, span, traceparent
from bouquet_mesh.tls.context import system_context
from bouquet_worker.answer import Answer
from bouquet_worker.errors import UpstreamError
from bouquet_worker.metrics import upstream_calls, upstream_seconds

_ERRORS: tuple[tuple[type[Exception], str], ...] = (
    # docs/reference/upstreams/shared.md §3: the first row that fits counts. A late upstream may also close the
    # connection early.
    (TimeoutError, "upstream_timeout"),
    (aiohttp.ServerDisconnectedError, "upstream_timeout"),
    (aiohttp.ClientPayloadError, "upstream_timeout"),
    (aiohttp.ClientConnectorDNSError, "upstream_unresolved"),
    (aiohttp.ClientSSLError, "upstream_certificate"),
    (aiohttp.ClientConnectionError, "upstream_unavailable"),
    (OSError, "upstream_unavailable"),
    (aiohttp.ClientError, "upstream_malformed"),
)
_EXCHANGE_ERRORS = (aiohttp.ClientError, OSError)
"""Exceptions of aiohttp and of sockets that `send` replaces by `UpstreamError`."""
_UNREACHABLE = (errno.ENETUNREACH, errno.ENETDOWN)
"""Error numbers of the operating system for a machine without network."""
_STATUSES = {
    **dict.fromkeys((301, 302, 303, 307, 308), "upstream_redirected"),
    **dict.fromkeys((502, 503), "upstream_unavailable"),
    504: "upstream_timeout",
}


class Transport:
    """Connections to one upstream. Keeps no cookies, follows no redirects and retries nothing.

    Args:
        provider: Provider's name, a label of the metrics.
        name: Upstream's name, a label of the metrics.
        concurrency: Largest number of connections at a time.
        ssl: TLS context; `None` trusts the system's authorities.
        max_body_bytes: Largest accepted length of an answer's body, in bytes.
    """

    def __init__(
        self, provider: str, name: str, *, concurrency: int, ssl: SSLContext | None, max_body_bytes: int
    ) -> None:
        self._name = name
        self._provider = provider
        self._concurrency = concurrency
        self._ssl = ssl
        self._max_body_bytes = max_body_bytes

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._concurrency, ssl=self._ssl or system_context()),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),  # none: `UpstreamClient` sets the time limit of each call
            skip_auto_headers=("Content-Type", "User-Agent"),
            middlewares=(_exchange_once,),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Sends one POST request, for instance to a token endpoint, and records it in a span and in metrics. Raises
        `UpstreamError` like `send`."""
        target = URL(url)
        with self.observed("POST", target, target.path):
            return await self.send("POST", target, headers, body)

    @contextmanager
    def observed(self, method: str, url: URL, route: str) -> Iterator[None]:
        """Records the call inside the context in a span and in the metrics, with its `route`, such as
        `/students/{ine}`. Leaves out the path, since it may name a person."""
        # The path itself may name a person.
        attributes = _attributes(method, url.host or "", url.port or 0, route)
        began = time.perf_counter()
        outcome = "interrupted"
        with span(f"{method} {route}", SpanKind.CLIENT, attributes) as current:
            try:
                yield
                outcome = "answered"
            except UpstreamError as error:
                outcome = error.label
                current.set_attribute("error.type", outcome)
                current.set_status(StatusCode.ERROR)
                raise
            finally:
                upstream_calls(self._provider, self._name, route, outcome).inc()
                seconds = upstream_seconds(self._provider, self._name, route)
                seconds.observe(time.perf_counter() - began, exemplar(current))

    async def send(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Sends one request and returns its answer. Raises `UpstreamError` for a redirect, for 502, 503 and 504, and
        for a failed connection. A body longer than `max_body_bytes` is an error too."""
        if trace := traceparent():
            headers = {**headers, "traceparent": trace}
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False
            ) as response:
                add_attributes({"http.response.status_code": response.status})
                if reason := _STATUSES.get(response.status):
                    raise UpstreamError(reason)
                return Answer(response.status, response.headers, await self._read(response))
        except _EXCHANGE_ERRORS as error:
            raise _upstream_error(error) from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        while not response.content.at_eof():
            body += await response.content.readany()
            if len(body) > self._max_body_bytes:
                raise UpstreamError("upstream_malformed", cause="body too large")
        return bytes(body)


async def _exchange_once(request: aiohttp.ClientRequest, exchange: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Sends a request only once, even if the connection is cut, and returns the response."""
    # aiohttp retries after its own errors only: `UpstreamError`, raised here, is none.
    try:
        return await exchange(request)
    except _EXCHANGE_ERRORS as error:
        raise _upstream_error(error) from None


@cache
def _attributes(method: str, host: str, port: int, route: str) -> Mapping[str, str | int]:
    return {
        "http.request.method": method,
        "server.address": host,
        "server.port": port,
        "url.template": route,
    }


def _upstream_error(error: Exception) -> UpstreamError:
    return UpstreamError(reason_of(error), cause=_cause(error))


def reason_of(error: Exception) -> str:
    """Maps an exception of aiohttp or of the operating system to a reason of failure (a key of `FAILURES`), such as
    `upstream_unreachable`."""
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return "upstream_unreachable"
    return next(reason for kind, reason in _ERRORS if isinstance(error, kind))


def _cause(error: Exception) -> str:
    """Returns a word for the log about an error's cause, such as `CERTIFICATE_EXPIRED` for a failure of TLS. For any
    other error, returns the exception's type."""
    # Our own expired certificate would otherwise look like an upstream that is down.
    word = getattr(error.__cause__, "reason", None) if isinstance(error.__cause__, SSLError) else None
    return word or type(error).__name__
