"""Tests of admission control over raw connections: a refused request disturbs no other request."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bouquet_gateway.load.admission import admission
from bouquet_mesh.http.server import serving
from tests.support.waiting import TEST_TIMEOUT_S, until

HOST = "127.0.0.1"
REFUSED = 503


class OneSlotServer:
    """HTTP server that takes one request at a time and refuses others meanwhile. It answers `/hold` only once
    `released` is set."""

    def __init__(self) -> None:
        self.handled: list[str] = []
        self.released = asyncio.Event()
        self.app = web.Application(middlewares=[admission(1)])
        self.app.router.add_route("*", "/{path:.*}", self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        self.handled.append(request.path)
        if request.path == "/hold":
            await self.released.wait()
        return web.Response(text=request.path)


@pytest.fixture
def server() -> OneSlotServer:
    return OneSlotServer()


@pytest.fixture
async def port(server: OneSlotServer) -> AsyncIterator[int]:
    async with serving(server.app, HOST, 0) as bound:
        yield bound


@asynccontextmanager
async def full(server: OneSlotServer, port: int) -> AsyncIterator[None]:
    """Occupies the server's only place with a request for `/hold` until the context ends."""
    async with connected(port) as (reader, writer):
        writer.write(get("/hold"))
        await until(lambda: "/hold" in server.handled)
        yield
        server.released.set()
        assert await answer_of(reader) == (200, b"/hold")


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield reader, writer
    finally:
        writer.close()


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


async def answer_of(reader: StreamReader) -> tuple[int, bytes]:
    async with asyncio.timeout(TEST_TIMEOUT_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
    status = int(head.split()[1])
    return status, b"" if status == REFUSED else body


async def test_a_refused_caller_may_ask_again_on_the_same_connection(server: OneSlotServer, port: int) -> None:
    async with connected(port) as (reader, writer):
        async with full(server, port):
            for _ in range(3):
                writer.write(get("/"))
                assert await answer_of(reader) == (REFUSED, b"")
        writer.write(get("/"))
        assert await answer_of(reader) == (200, b"/")
    assert server.handled == ["/hold", "/"]


async def test_a_refusal_does_not_overtake_an_earlier_answer(server: OneSlotServer, port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(get("/hold") + get("/second"))
        await until(lambda: server.handled == ["/hold"])
        server.released.set()
        assert [await answer_of(reader), await answer_of(reader)] == [(200, b"/hold"), (200, b"/second")]


async def test_each_of_several_pipelined_requests_is_refused(server: OneSlotServer, port: int) -> None:
    async with full(server, port), connected(port) as (reader, writer):
        writer.write(get("/") + get("/"))
        assert [await answer_of(reader), await answer_of(reader)] == [(REFUSED, b"")] * 2


async def test_the_body_of_a_refused_request_is_not_taken_for_a_request(server: OneSlotServer, port: int) -> None:
    async with full(server, port), connected(port) as (reader, writer):
        writer.write(get("/", "Content-Length: 4", method="POST"))
        assert await answer_of(reader) == (REFUSED, b"")
        writer.write(b"GET " + get("/"))
        assert await answer_of(reader) == (REFUSED, b"")


async def test_a_refused_request_with_connection_close_closes_the_connection(server: OneSlotServer, port: int) -> None:
    async with full(server, port), connected(port) as (reader, writer):
        writer.write(get("/", "Connection: close"))
        async with asyncio.timeout(TEST_TIMEOUT_S):
            assert (await reader.read()).startswith(b"HTTP/1.1 503")


async def test_a_refusal_of_head_has_no_body(server: OneSlotServer, port: int) -> None:
    async with full(server, port), connected(port) as (reader, writer):
        writer.write(get("/", "Connection: close", method="HEAD"))
        async with asyncio.timeout(TEST_TIMEOUT_S):
            assert (await reader.read()).endswith(b"\r\n\r\n")
