from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
import uvloop
from aiohttp import ClientSession, web
from msgspec import Struct

from bouquet_mesh.http.limits import Limits
from bouquet_mesh.http.server import serving
from tests.support.waiting import TEST_TIMEOUT_S

HOST = "127.0.0.1"
SECRET = "DURANT-1990"
LIMITS = Limits(line_bytes=1024, field_bytes=1024, headers=20, lingering_s=TEST_TIMEOUT_S)


HEAD_ALONE = Limits(head_s=0.2, idle_s=3600)


class Answer(Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["errors"][0]["code"])


async def hello(_: web.Request) -> web.Response:
    return web.json_response({"hello": "world"})


async def echo(request: web.Request) -> web.Response:
    return web.json_response(dict(request.query))


async def bug(_: web.Request) -> web.Response:
    raise ValueError(SECRET)


async def too_slow(_: web.Request) -> web.Response:
    raise TimeoutError(SECRET)


async def half(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"half")
    raise ValueError(SECRET)


def make_app() -> web.Application:
    app = web.Application(client_max_size=1024)
    app.add_routes(
        [
            web.get("/", hello),
            web.get("/echo", echo),
            web.get("/bug", bug),
            web.get("/slow", too_slow),
            web.get("/half", half),
        ]
    )
    return app


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with serving(make_app(), HOST, 0, limits=LIMITS) as bound:
        yield bound


async def sent(port: int, raw: bytes) -> bytes:
    """Sends bytes to the server and returns its whole answer, up to the end of the connection."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(raw)
    try:
        async with asyncio.timeout(TEST_TIMEOUT_S):
            return await reader.read()
    finally:
        writer.close()


async def asked(port: int, raw: bytes) -> Answer:
    head, _, body = (await sent(port, raw)).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(int(status.split()[1]), headers, json.loads(body))


def get(path: str = "/", *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]).encode()


async def test_a_request_is_answered(port: int) -> None:
    assert (await asked(port, get())).body == {"hello": "world"}


@pytest.mark.parametrize(("written", "read"), [("Noël+L'Hôte", "Noël L'Hôte"), ("No%C3%ABl", "Noël"), ("日本", "日本")])
async def test_raw_letters_in_a_request_line_are_read_as_utf_8(port: int, written: str, read: str) -> None:
    assert (await asked(port, get(f"/echo?nom={written}"))).body == {"nom": read}


async def test_a_request_body_is_never_parsed_as_a_request_head(port: int) -> None:
    """Tests that the server discards a body that looks like the head of a request and is sent after the answer, and
    then reads the next request."""
    body = "GET /echo?nom=Noël".encode()
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(f"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    await reader.readuntil(b'world"}')
    writer.write(body)
    await asyncio.sleep(0.05)  # for it to arrive alone, while the server lingers
    writer.write(get())
    answers = await reader.read()
    writer.close()
    assert answers.startswith(b"HTTP/1.1 200") and answers.endswith(b'{"hello": "world"}')


REFUSED = {
    "no http at all": (f"{SECRET}\r\n\r\n".encode(), 400, "00401"),
    "a tls hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "00401"),
    "http/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "00401"),
    "a bad header": (get("/", f"{SECRET}\x00: 1"), 400, "00401"),
    "two lengths": (get("/", "Content-Length: 1", "Content-Length: 2"), 400, "00401"),
    "a bad chunk": (get("/", "Transfer-Encoding: chunked") + b"zz\r\n", 400, "00401"),
    "a bad url": (b"GET http://[x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "00401"),
    "a long line": (get("/?nomNaissance=" + SECRET * 200), 413, "00494"),
    "a long header": (get("/", "X: " + SECRET * 200), 413, "00494"),
    "many headers": (get("/", *(f"X-{number}: {SECRET}" for number in range(50))), 413, "00494"),
    "an unheard-of expectation": (get("/", f"Expect: {SECRET}"), 400, "00401"),
    "an unknown path": (get(f"/{SECRET}"), 404, "00493"),
    "another method": (get().replace(b"GET", b"POST"), 404, "00493"),
    "a method that nobody knows": (get().replace(b"GET", b"BREW"), 400, "00401"),
    "a bug": (get("/bug"), 500, "00500"),
    "a bug for a browser": (get("/bug", "Accept: text/html"), 500, "00500"),
    "a timeout": (get("/slow"), 500, "00500"),
}


@pytest.mark.parametrize("refused", REFUSED)
async def test_every_refusal_is_json_and_quotes_nothing_of_the_request(
    port: int, refused: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    raw, status, code = REFUSED[refused]
    answer = await asked(port, raw)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["X-Request-Id"]
    assert answer.headers["Server"] == "bouquet"
    assert SECRET not in repr(answer)
    assert SECRET not in "".join(repr(vars(record)) for record in caplog.records)


async def test_an_exception_in_a_handler_is_logged_by_its_type_and_place(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    await asked(port, get("/bug"))
    [record] = [record for record in caplog.records if record.name == "bouquet_mesh.http.handler"]
    assert (record.message, vars(record)["error"]) == ("http server error", "ValueError")
    assert vars(record)["at"].startswith("test_http_server.py:")


async def test_a_malformed_http_request_logs_no_error(port: int, caplog: pytest.LogCaptureFixture) -> None:
    await asked(port, b"nonsense\r\n\r\n")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_an_exception_after_part_of_a_response_closes_the_connection(port: int) -> None:
    answer = await sent(port, get("/half"))
    assert answer.count(b"HTTP/1.1") == 1
    assert b"half" in answer
    assert b"00500" not in answer


async def test_two_requests_can_share_a_connection(port: int) -> None:
    request = get().replace(b"Connection: close\r\n", b"")
    assert (await sent(port, request + get())).count(b"200 OK") == 2


@pytest.fixture
async def head_port() -> AsyncIterator[int]:
    async with serving(make_app(), HOST, 0, limits=HEAD_ALONE) as bound:
        yield bound


async def test_a_connection_with_an_unfinished_request_head_is_closed(head_port: int) -> None:
    assert await sent(head_port, b"GET / HTTP/1.1\r\nX: ") == b""


async def test_a_connection_whose_request_head_trickles_in_is_closed(head_port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, head_port)
    writer.write(b"GET / HTTP/1.1\r\n")
    sending = asyncio.create_task(send_headers_slowly(writer))
    async with asyncio.timeout(TEST_TIMEOUT_S):
        with suppress(ConnectionResetError):  # where a line has come that nobody reads any more
            assert await reader.read() == b""
    sending.cancel()
    writer.close()


async def test_an_unfinished_second_request_head_closes_the_connection(head_port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, head_port)
    writer.write(get().replace(b"Connection: close\r\n", b""))
    await reader.readuntil(b'world"}')
    writer.write(b"GET / HTTP/1.1\r\n")
    async with asyncio.timeout(TEST_TIMEOUT_S):
        assert await reader.read() == b""
    writer.close()


async def send_headers_slowly(writer: asyncio.StreamWriter) -> None:
    for number in range(1000):
        writer.write(f"X-{number}: 1\r\n".encode())
        await asyncio.sleep(0.05)


async def test_a_request_head_in_two_segments_is_answered(port: int) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    first, second = get()[:20], get()[20:]
    writer.write(first)
    await asyncio.sleep(0.05)
    writer.write(second)
    async with asyncio.timeout(TEST_TIMEOUT_S):
        assert b"200 OK" in await reader.read()
    writer.close()


async def test_an_idle_connection_is_closed() -> None:
    async with serving(make_app(), HOST, 0, limits=Limits(idle_s=0.2)) as port:
        assert await sent(port, b"") == b""


async def test_a_request_body_that_never_arrives_closes_the_connection() -> None:
    request = get("/", "Content-Length: 10").replace(b"Connection: close\r\n", b"")
    async with serving(make_app(), HOST, 0, limits=Limits(lingering_s=0.2)) as port:
        assert b"200 OK" in await sent(port, request)


async def test_a_stopping_server_finishes_running_requests_and_their_connections() -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        started.set()
        await release.wait()
        return web.json_response({"done": True})

    app = web.Application()
    app.add_routes([web.get("/", wait)])
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(app, HOST, 0, limits=LIMITS, drain_s=TEST_TIMEOUT_S))
        answering = asyncio.create_task(asked(port, get().replace(b"Connection: close\r\n", b"")))
        await started.wait()
        stopping = asyncio.create_task(stack.aclose())
        with pytest.raises(ConnectionError):
            while True:
                _, writer = await asyncio.open_connection(HOST, port)
                writer.close()
        release.set()
        answer = await answering
        assert (answer.body, answer.headers["Connection"]) == ({"done": True}, "close")
        await stopping


async def test_two_servers_can_share_a_port() -> None:
    async with serving(make_app(), HOST, 0, reuse_port=True) as port, serving(make_app(), HOST, port, reuse_port=True):
        assert (await asked(port, get())).status == 200


async def test_an_aiohttp_client_is_served(port: int) -> None:
    async with ClientSession() as session, session.get(f"http://{HOST}:{port}/bug") as response:
        assert (await response.json())["errors"][0]["title"] == "Erreur interne"


def test_many_simultaneous_connections_are_accepted_in_few_event_loop_iterations() -> None:
    async def passes(clients: int) -> int:
        passed = answered = 0

        async def count(_: web.Request) -> web.Response:
            nonlocal answered
            answered += 1
            return web.Response()

        app = web.Application()
        app.add_routes([web.get("/", count)])
        async with serving(app, HOST, 0) as port:
            calling = [socket.create_connection((HOST, port)) for _ in range(clients)]
            for client in calling:
                client.send(get())
            async with asyncio.timeout(TEST_TIMEOUT_S):
                while answered < clients:
                    passed += 1
                    await asyncio.sleep(0)
            for client in calling:
                client.close()
        return passed

    assert uvloop.run(passes(200)) < 50


async def test_a_slow_handler_and_a_request_pipelined_behind_it_exceed_no_head_limit() -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(2 * HEAD_ALONE.head_s)
        return web.json_response({"slow": True})

    app = web.Application()
    app.add_routes([web.get("/", slow)])
    async with serving(app, HOST, 0, limits=HEAD_ALONE) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(get().replace(b"Connection: close\r\n", b""))
        await asyncio.sleep(HEAD_ALONE.head_s / 2)
        writer.write(get())
        async with asyncio.timeout(TEST_TIMEOUT_S):
            assert (await reader.read()).count(b'{"slow": true}') == 2
        writer.close()
