"""Who is turned away is so as soon as he is read, and what the protocol promises holds all the same."""

from __future__ import annotations

import asyncio
import socket
from asyncio import StreamReader
from collections.abc import AsyncIterator, Mapping

import pytest
import uvloop
from aiohttp import web

from bouquet_gateway.http.server import DOORKEEPER, Limits, serving
from tests.mesh.buses import until

HOST = "127.0.0.1"
LIMITS = Limits(head_s=0.3, idle_s=1.0)


class Doorkeeper:
    """Lets nobody to `/full`."""

    def __init__(self, *, bytes_told: int = 4) -> None:
        self.turned_away = 0
        self._refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n%b" % (
            bytes_told,
            b"x" * bytes_told,
        )

    def refusal(self, _: str, path: str, __: Mapping[str, str]) -> bytes:
        if path != "/full":
            return b""
        self.turned_away += 1
        return self._refusal


class House:
    """An application that answers with the path that it was asked for, while it is open, behind a doorkeeper."""

    def __init__(self, *, bytes_told: int = 4) -> None:
        self.doorkeeper = Doorkeeper(bytes_told=bytes_told)
        self.asked: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.app = web.Application()
        self.app[DOORKEEPER] = self.doorkeeper
        self.app.router.add_route("*", "/{path:.*}", self._answer)

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        await self.open.wait()
        return web.Response(text=request.path)


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
async def port(house: House) -> AsyncIterator[int]:
    async with serving(house.app, HOST, 0, limits=LIMITS) as bound:
        yield bound


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


async def heard(reader: StreamReader, *, bodiless: bool = False) -> tuple[int, str]:
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(head[9:12]), "" if bodiless else (await reader.readexactly(length)).decode()


async def test_who_is_turned_away_may_ask_again_on_the_same_connection(house: House, port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    for _ in range(3):
        writer.write(get("/full?a=1"))
        assert await heard(reader) == (503, "xxxx")
        writer.write(get("/"))
        assert await heard(reader) == (200, "/")
    assert house.asked == ["GET /"] * 3
    writer.close()


async def test_half_a_head_is_judged_once_it_is_whole(house: House, port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    whole = get("/full")
    writer.write(whole[:10])
    await writer.drain()
    await asyncio.sleep(0.05)
    assert not house.doorkeeper.turned_away
    writer.write(whole[10:])
    assert await heard(reader) == (503, "xxxx")
    writer.close()


async def test_a_refusal_overtakes_no_answer(house: House, port: int) -> None:
    house.open.clear()
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(get("/first"))
    await until(lambda: house.asked == ["GET /first"])
    writer.write(get("/full"))
    await asyncio.sleep(0.05)
    house.open.set()
    assert [await heard(reader), await heard(reader)] == [(200, "/first"), (200, "/full")]
    writer.close()


async def test_requests_in_a_row_are_the_application_s(house: House, port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(get("/full") + get("/second"))
    assert [await heard(reader), await heard(reader)] == [(200, "/full"), (200, "/second")]
    writer.close()


@pytest.mark.parametrize("request_", [get("/full", "Content-Length: 4") + b"GET ", get("/full", method="POST")])
async def test_so_is_what_has_a_body_lest_it_be_taken_for_a_request(house: House, port: int, request_: bytes) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(request_)
    assert await heard(reader) == (200, "/full")
    writer.close()


async def test_who_asks_to_close_is_closed(house: House, port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(get("/full", "Connection: close"))
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_a_connection_lives_as_long_as_it_asks_even_in_vain(port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    for _ in range(8):
        writer.write(get("/full"))
        assert await heard(reader) == (503, "xxxx")
        await asyncio.sleep(LIMITS.idle_s / 5)
    async with asyncio.timeout(5 * LIMITS.idle_s):
        assert await reader.read() == b""
    writer.close()


async def test_who_reads_nothing_is_told_no_more_than_fits() -> None:
    house = House(bytes_told=1_000_000)
    async with serving(house.app, HOST, 0, limits=Limits(drain_s=0.1)) as port:
        _, writer = await asyncio.open_connection(HOST, port, limit=1)
        for _ in range(200):
            writer.write(get("/full"))
            await asyncio.sleep(0.002)
        writer.transport.abort()
    assert 1 <= house.doorkeeper.turned_away < 50


def test_who_comes_anew_waits_for_no_pass_of_his_own() -> None:
    """On the loop that a gateway runs on."""

    async def passes(clients: int) -> int:
        house, passed = House(), 0
        async with serving(house.app, HOST, 0) as port:
            calling = [socket.create_connection((HOST, port)) for _ in range(clients)]
            for client in calling:
                client.send(get("/full"))
            async with asyncio.timeout(5):
                while house.doorkeeper.turned_away < clients:
                    passed += 1
                    await asyncio.sleep(0)
            for client in calling:
                client.close()
        return passed

    assert uvloop.run(passes(200)) < 50
