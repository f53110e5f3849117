"""Tests of the HTTP server against hostile clients. The tests use raw sockets, which send their bytes without delay."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bouquet_mesh.http.limits import Limits
from bouquet_mesh.settings import MeshSettings
from tests.mesh.http_process import ServerOptions
from tests.support.tls import certificate_files
from tests.support.waiting import TEST_TIMEOUT_S

HOST = "127.0.0.1"
HEAD_END = b"\r\n\r\n"
LONG_S = 3600.0
PATIENT = Limits(head_s=LONG_S, body_s=LONG_S, write_s=LONG_S, idle_s=LONG_S, lingering_s=0.3)
"""Limits with timeouts of an hour, which no test reaches; only `lingering_s` is short. Tests call `only` to lower the
limits that they check."""
HALF = b"GET / HTTP/1.1\r\nHost: x\r\n"
WHOLE = HALF + b"\r\n"
POST = HALF.replace(b"GET /", b"POST /length")
LAST = HALF + b"Connection: close\r\n\r\n"


class Server:
    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self._pid = pid

    def processor_s(self) -> float:
        return int(Path(f"/proc/{self._pid}/schedstat").read_text().split()[0]) / 1e9

    def memory_bytes(self) -> int:
        return int(Path(f"/proc/{self._pid}/statm").read_text().split()[1]) * 4096

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self._pid}/fd"))

    @contextmanager
    def connected(self, *, buffer_bytes: int = 0, source: str = HOST) -> Iterator[socket.socket]:
        """Yields a socket connected to the server from the loopback address `source`. A small `buffer_bytes` imitates a
        client that reads slowly."""
        with socket.socket() as client:
            client.settimeout(TEST_TIMEOUT_S)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if buffer_bytes:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
            client.bind((source, 0))
            client.connect((HOST, self.port))
            yield client

    def said(self, *segments: bytes) -> bytes:
        """Sends segments over a new connection and returns the server's whole answer, up to the end of the
        connection."""
        with self.connected() as client:
            for segment in segments:
                client.sendall(segment)
                if segment is not segments[-1]:
                    time.sleep(0.005)  # for it to arrive alone: where it does not, the test shows less
            return read(client)

    def pass_time(self, seconds: float) -> None:
        """Sets the clock forward by which the server limits times, and waits until it has checked all connections."""
        assert b"200 OK" in self.said(LAST.replace(b"/ ", f"/pass_time?seconds={seconds} ".encode(), 1))

    def counted(self, metric: str) -> dict[str, float]:
        """Returns the values of the counter `metric`, by the label `reason`. Zeros are left out."""
        text = self.said(LAST.replace(b"/ ", b"/metrics ", 1)).decode()
        found = re.findall(rf'{metric}_total{{reason="(\w+)"}} (\S+)', text)
        return {reason: float(value) for reason, value in found if float(value)}

    @property
    def closed(self) -> dict[str, float]:
        return self.counted("bouquet_http_connections_closed")


def read(client: socket.socket) -> bytes:
    heard = b""
    try:
        while piece := client.recv(65_536):
            heard += piece
    except ConnectionError:
        pass
    return heard


def bodies(answers: bytes) -> list[Any]:
    return [json.loads(body) for body in re.findall(rb"\r\n\r\n(\{.*?\})(?=HTTP/1\.1 |\Z)", answers, re.DOTALL)]


@cache
def forking() -> subprocess.Popen[str]:
    """Starts the process that forks servers, once per test run."""
    # It imports beforehand all modules that a server needs, because importing them takes a second.
    command = [sys.executable, "-m", "tests.mesh.http_process"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module", autouse=True)
def forking_ends() -> Iterator[None]:
    yield
    if forking.cache_info().currsize:
        with forking() as process:
            process.kill()
        forking.cache_clear()


@contextmanager
def running(
    limits: Limits, loop: str = "uvloop", descriptors: int | None = None, tls: tuple[str, str] | None = None
) -> Iterator[Server]:
    process = forking()
    assert process.stdin and process.stdout
    process.stdin.write(msgspec.json.encode(ServerOptions(loop, limits, descriptors, tls)).decode() + "\n")
    process.stdin.flush()
    port, pid = map(int, process.stdout.readline().split())
    try:
        yield Server(port, pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def only(**limits: float) -> Limits:
    return msgspec.structs.replace(PATIENT, **limits)


CHECKED_OFTEN = only(body_s=0.2)
"""Limits of an hour, for tests without request bodies that let the server's time pass (`Server.pass_time`). Because of
the short `body_s`, the server checks its connections every 50 ms."""


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(loop: str) -> Iterator[Server]:
    with running(PATIENT, loop) as started:
        yield started


def test_the_default_limits_close_an_unfinished_head_within_twelve_seconds_and_equal_the_settings() -> None:
    limits = MeshSettings().http_limits()
    assert limits == Limits()
    assert limits.head_s + limits.check_interval_s <= 12
    assert (limits.body_s, limits.write_s, limits.idle_s) == (15.0, 30.0, 75.0)
    assert (limits.max_connections, limits.max_unsent_bytes) == (2_000, 1_000_000)


def test_half_a_request_head_sent_with_the_connection_is_closed_and_counted(loop: str) -> None:
    with running(only(head_s=0.3), loop) as server:
        for beginning in (b"G", b"\r\n", HALF, HALF + b"X: 1"):
            assert server.said(beginning) == b""
        assert server.closed == {"head": 4.0}


@pytest.mark.parametrize(
    "answered", [WHOLE, WHOLE * 3, b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"]
)
def test_half_a_request_head_behind_a_request_in_one_segment_is_closed(loop: str, answered: bytes) -> None:
    with running(only(head_s=0.3), loop) as server:
        assert server.said(answered + HALF).count(b"200 OK") == answered.count(b"HTTP/1.1")
        assert server.closed == {"head": 1.0}


def test_one_time_limit_covers_a_whole_request_head_that_trickles_in(loop: str) -> None:
    with running(only(head_s=0.5), loop) as server, server.connected() as client:
        client.sendall(HALF)
        with pytest.raises(OSError):
            for _ in range(int(TEST_TIMEOUT_S / 0.05)):
                client.sendall(b"X: 1\r\n")
                time.sleep(0.05)
        assert server.closed == {"head": 1.0}


@pytest.mark.parametrize(
    "method", [b"Content-Length: 10\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
)
def test_a_missing_request_body_closes_the_connection_and_is_counted(loop: str, method: bytes) -> None:
    with running(only(body_s=0.3), loop) as server:
        assert server.said(b"POST /length HTTP/1.1\r\nHost: x\r\n" + method) == b""
        assert server.closed == {"body": 1.0}


def test_a_client_that_does_not_read_its_response_is_closed_and_counted(loop: str) -> None:
    with running(only(write_s=0.5), loop) as server, server.connected(buffer_bytes=4096) as client:
        client.sendall(LAST.replace(b"/ ", b"/big ", 1))
        until_closed(server, {"write": 1.0})
        assert len(read(client)) < 900_000


def test_a_client_that_reads_each_response_within_the_limit_is_served_for_longer_than_the_limit(loop: str) -> None:
    with (
        running(only(body_s=0.2, idle_s=10 * LONG_S), loop) as server,
        server.connected(buffer_bytes=65_536) as client,
        client.makefile("rb") as answers,
    ):
        for _ in range(2):
            client.sendall(WHOLE.replace(b"/ ", b"/big ", 1))
            assert b"200 OK" in answers.readline()
            server.pass_time(0.6 * LONG_S)  # while most of the answer waits for the client
            while answers.readline() != b"\r\n":
                pass
            assert answers.read(900_000) == bytes(900_000)
            server.pass_time(0.6 * LONG_S)  # while nothing waits
        assert server.closed == {}


def test_a_connection_with_too_many_unsent_bytes_is_closed_and_counted(loop: str) -> None:
    with running(PATIENT, loop) as server, server.connected(buffer_bytes=4096) as client:
        client.sendall(LAST.replace(b"/ ", b"/huge ", 1))
        until_closed(server, {"unsent": 1.0})
        assert len(read(client)) < 9_000_000


def test_a_connection_is_closed_when_idle_from_the_start_or_after_a_request(loop: str) -> None:
    with running(CHECKED_OFTEN, loop) as server, server.connected() as silent, server.connected() as answered:
        answered.sendall(WHOLE)
        assert b"200 OK" in answered.recv(65_536)
        server.pass_time(LONG_S)
        assert read(silent) == read(answered) == b""
        assert server.closed == {"idle": 2.0}


def test_no_connection_limit_applies_to_a_slow_handler(loop: str) -> None:
    held = HALF.replace(b"/ ", b"/held ", 1) + b"Connection: close\r\nExpect: 100-continue\r\n\r\n"
    with running(CHECKED_OFTEN, loop) as server, server.connected() as client:
        client.sendall(WHOLE + held)
        heard = b""
        while b"HTTP/1.1 100 " not in heard:
            heard += client.recv(65_536)
        server.pass_time(2 * LONG_S)
        server.said(LAST.replace(b"/ ", b"/release ", 1))
        assert read(client).endswith(b'{"held": true}')
        assert server.closed == {}


def begin_slow(client: socket.socket, seconds: int) -> None:
    """Sends a request whose answer takes some seconds, and waits until the server has begun to handle it."""
    head = f"GET /slow?seconds={seconds} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n"
    client.sendall(head.encode())
    assert client.recv(65_536).startswith(b"HTTP/1.1 100 ")


def test_a_connection_above_the_limit_is_closed_while_all_others_are_being_answered(loop: str) -> None:
    with running(only(max_connections=3), loop) as server:
        with server.connected() as first, server.connected() as second, server.connected() as third:
            for client in (first, second, third):
                begin_slow(client, 600)
            for _ in range(3):
                assert server.said(WHOLE) == b""
        until_closed(server, {"connections": 3.0}, at_least=True)


def test_a_connection_being_answered_keeps_its_place(loop: str) -> None:
    with running(only(max_connections=1), loop) as server, ExitStack() as stack:
        client = stack.enter_context(server.connected())
        begin_slow(client, 1)
        for _ in range(20):
            stack.enter_context(server.connected())
        assert read(client).endswith(b'{"slow": true}')


SILENT = {"silent": b"", "one byte": b"G", "half a head": HALF, "no body": POST + b"Content-Length: 9\r\n\r\n"}


@pytest.mark.parametrize("beginning", SILENT)
def test_thousands_of_silent_connections_stop_neither_probes_nor_callers(loop: str, beginning: str) -> None:
    limits = only(max_connections=500)
    with running(limits, loop) as server, ExitStack() as stack:
        caller = stack.enter_context(server.connected())
        for number in range(2_000):
            silent = stack.enter_context(server.connected())
            with suppress(ConnectionError):
                silent.sendall(SILENT[beginning])
            if number % 200 == 0:
                assert b"200 OK" in server.said(LAST.replace(b"/ ", b"/livez ", 1))
                caller.sendall(WHOLE)
                assert b"200 OK" in caller.recv(65_536)
        until_closed(server, {"connections": 1_500.0}, at_least=True)


def test_the_connection_that_has_waited_longest_gives_its_place_to_a_new_one(loop: str) -> None:
    with running(only(max_connections=3), loop) as server, ExitStack() as stack:
        first, second, third = (stack.enter_context(server.connected()) for _ in range(3))
        for client in (first, second, third):
            client.sendall(WHOLE)
            assert b"200 OK" in client.recv(65_536)
        second.sendall(b"G")  # a byte does not end the wait for a whole head
        first.sendall(WHOLE)
        assert b"200 OK" in first.recv(65_536)
        assert b"200 OK" in server.said(LAST)
        assert read(second) == b""
        for client in (first, third):
            client.sendall(WHOLE)
            assert b"200 OK" in client.recv(65_536)


def test_a_slow_reader_of_a_large_answer_gives_its_place_to_a_new_connection(loop: str) -> None:
    with running(only(max_connections=2), loop) as server, ExitStack() as stack:
        for _ in range(2):
            client = stack.enter_context(server.connected(buffer_bytes=4096))
            client.sendall(LAST.replace(b"/ ", b"/document ", 1))
        for _ in range(3):
            assert b"200 OK" in server.said(LAST)


def test_connections_of_one_address_take_no_place_from_those_of_another(loop: str) -> None:
    limits = only(max_connections=40, max_connections_per_address=20)
    with running(limits, loop) as server, ExitStack() as stack:
        others = [stack.enter_context(server.connected(source="127.0.0.2")) for _ in range(15)]
        for _ in range(200):
            stack.enter_context(server.connected(source="127.0.0.3"))
        until_closed(server, {"address": 180.0}, at_least=True)
        assert "connections" not in server.closed
        for client in others:
            client.sendall(LAST)
            assert b"200 OK" in read(client)


def test_clients_that_do_not_begin_their_tls_handshake_stop_no_other_client(loop: str, tmp_path: Path) -> None:
    own = certificate_files(tmp_path)
    trusting = ssl.create_default_context(cafile=own.ca)
    with running(PATIENT, loop, tls=(str(own.certificate), str(own.key))) as server, ExitStack() as stack:
        silent = [stack.enter_context(server.connected()) for _ in range(1_000)]
        with server.connected() as raw, trusting.wrap_socket(raw, server_hostname="localhost") as client:
            client.sendall(LAST.replace(b"/ ", b"/metrics ", 1))
            metrics = read(client).decode()
        assert read(silent[0]) == b""
        [count] = re.findall(r'bouquet_http_connections_closed_total\{reason="connections"\} (\S+)', metrics)
        assert float(count) >= 700
        assert server.descriptors() < 600


def until_closed(server: Server, counts: dict[str, float], *, at_least: bool = False) -> None:
    """Waits until the server has closed as many connections for each reason as `counts` says. With `at_least`, it may
    have closed more."""
    give_up_at = time.monotonic() + TEST_TIMEOUT_S
    while time.monotonic() < give_up_at:
        closed = server.closed
        if closed == counts or (
            at_least and closed and all(closed.get(name, 0) >= count for name, count in counts.items())
        ):
            return
        time.sleep(0.1)
    raise AssertionError(server.closed)


RAW = "GET /echo?nom=Noël+日本 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
READ = {"path": "/echo", "nom": "Noël 日本"}


def test_raw_letters_in_a_request_line_are_read_however_it_is_split(server: Server) -> None:
    for cut in range(len(RAW)):
        assert bodies(server.said(RAW[:cut], RAW[cut:])) == [READ], cut
    assert bodies(server.said(*(RAW[at : at + 1] for at in range(len(RAW))))) == [READ]


def test_raw_letters_are_read_in_each_request_of_one_segment(server: Server) -> None:
    kept = RAW.replace(b"Connection: close\r\n", b"")
    assert bodies(server.said(kept * 3 + RAW)) == [READ] * 4


@pytest.mark.parametrize("front", [b"\r\n", b"\r\n\r\n", b"\n"])
def test_an_empty_line_before_a_request_is_ignored(server: Server, front: bytes) -> None:
    kept = RAW.replace(b"Connection: close\r\n", b"")
    assert bodies(server.said(front + kept + front + RAW)) == [READ] * 2
    assert bodies(server.said(front, RAW)) == [READ]


@pytest.mark.parametrize("body", [RAW, "é".encode() * 300, b"\r\n\r\n" * 20])
def test_a_body_that_looks_like_a_head_is_not_parsed_and_the_next_request_is_answered(
    server: Server, body: bytes
) -> None:
    head = f"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    raw = head + body + RAW
    for segments in ((raw,), (head, body, RAW), (head + body[:5], body[5:] + RAW[:20], RAW[20:])):
        assert bodies(server.said(*segments)) == [{"length": len(body)}, READ]


def test_a_chunked_body_is_read_and_ends_the_connection(server: Server) -> None:
    raw = b"POST /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    for segments in ((raw + WHOLE,), (raw[:40], raw[40:70], raw[70:] + WHOLE)):
        answers = server.said(*segments)
        assert bodies(answers) == [{"length": 3}]
        assert b"Connection: close" in answers


def test_an_unread_body_does_not_hide_the_next_request(server: Server) -> None:
    head = WHOLE.replace(b"Host: x\r\n", b"Host: x\r\nContent-Length: 9\r\n")
    for segments in ((head + RAW[:9] + RAW,), (head, RAW[:9] + RAW[:4], RAW[4:])):
        assert bodies(server.said(*segments)) == [{"path": "/", "nom": ""}, READ]


def test_many_pipelined_requests_are_answered_in_order(server: Server) -> None:
    count = 2_000
    flood = b"".join(f"GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for number in range(count))
    with server.connected() as client:
        client.settimeout(TEST_TIMEOUT_S)
        sent, heard = 0, b""
        flood += LAST
        client.setblocking(True)
        while sent < len(flood):
            sent += client.send(flood[sent : sent + 20_000])
        heard = read(client)
    assert [answer["path"] for answer in bodies(heard)] == [*(f"/{number}" for number in range(count)), "/"]


def posted(server: Server, body: bytes, *headers: bytes) -> bytes:
    fields = b"".join(header + b"\r\n" for header in headers)
    return server.said(POST + fields + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd", b"identity", b"GZIP, gzip", b""])
def test_a_body_with_any_content_encoding_is_refused(server: Server, coding: bytes) -> None:
    answer = posted(server, b"abc", b"Content-Encoding: " + coding)
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert bodies(answer)[0]["errors"][0]["code"] == "00495"


def test_a_compressed_body_is_refused_before_it_arrives(server: Server) -> None:
    with server.connected() as client:
        client.sendall(POST + b"Content-Encoding: gzip\r\nContent-Length: 1000000\r\n\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 415 ")


def decompression_s(compressed: bytes) -> float:
    """Returns the seconds of processor time that this process takes to decompress a body."""
    began_s, stream = time.thread_time(), zlib.decompressobj(wbits=31)
    while compressed:
        stream.decompress(compressed, 1_000_000)
        compressed = stream.unconsumed_tail
    return time.thread_time() - began_s


def test_compressed_bodies_are_refused_without_decompression(loop: str) -> None:
    """Tests that the server takes little memory for compressed bodies, and less than a quarter of the processor time
    that their decompression takes in the test's own process."""
    bomb = gzip.compress(bytes(10**9), 1)[:1_000_000]
    with running(PATIENT, loop) as server, ThreadPoolExecutor(20) as clients:
        before_s, before_bytes = server.processor_s(), server.memory_bytes()
        begun = [clients.submit(posted, server, bomb, b"Content-Encoding: gzip") for _ in range(20)]
        assert b"200 OK" in server.said(LAST)
        assert {post.result().split()[1] for post in begun} == {b"415"}
        assert server.processor_s() - before_s < 20 * decompression_s(bomb) / 4
        assert server.memory_bytes() - before_bytes < 40_000_000


HOSTS = {
    "a path": b"evil.test/x?a=",
    "a space": b"a b",
    "quotes": b'"x"',
    "a user": b"user@x",
    "a port that is none": b"x:8x",
    "a comma": b"x, y",
    "nothing": b"",
    "markup": b"<script>",
    "letters beyond ASCII": "é.fr".encode(),
}


@pytest.mark.parametrize("host", HOSTS)
def test_a_request_with_an_invalid_host_header_is_refused(server: Server, host: str) -> None:
    answer = server.said(WHOLE.replace(b"Host: x", b"Host: " + HOSTS[host]))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert not HOSTS[host] or HOSTS[host] not in answer


@pytest.mark.parametrize("host", [b"x:80", b"a-b.example.fr", b"127.0.0.1:8000", b"[::1]:8000", b"bouquet_gateway"])
def test_a_request_with_a_valid_host_header_is_accepted(server: Server, host: bytes) -> None:
    assert server.said(LAST.replace(b"Host: x", b"Host: " + host)).startswith(b"HTTP/1.1 200 ")


def test_a_request_with_two_host_headers_is_refused(server: Server) -> None:
    assert server.said(WHOLE.replace(b"Host: x", b"Host: x\r\nHost: y")).split()[1] == b"400"


UPGRADES = {
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "tcp": b"Connection: Upgrade\r\nUpgrade: tcp\r\n",
    "TLS": b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
    "of no protocol": b"Connection: upgrade\r\n",
    "to nothing asked": b"Upgrade: websocket\r\n",
}


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_a_request_after_an_ignored_upgrade_is_answered(server: Server, upgrade: str) -> None:
    first = HALF.replace(b"/ ", b"/1 ") + UPGRADES[upgrade] + b"\r\n"
    for segments in ((first + RAW,), (first + RAW[:30], RAW[30:]), (first, RAW), (first * 3 + RAW,)):
        *firsts, last = bodies(server.said(*segments))
        assert (firsts[:1], last) == ([{"path": "/1", "nom": ""}], READ)


def test_a_connect_request_ends_the_connection(server: Server) -> None:
    raw = b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n"
    assert server.said(raw + WHOLE).count(b"HTTP/1.1 ") == 1


def test_a_chunked_request_of_http_1_0_ends_the_connection(server: Server) -> None:
    """Tests that the server answers a chunked request in HTTP/1.0, which does not define chunks (RFC 9112 §6.1), and
    then closes the connection."""
    head = POST.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
    answers = server.said(head + b"3\r\nabc\r\n0\r\n\r\n" + WHOLE)
    assert answers.count(b"HTTP/1.") == 1


def test_a_pipelined_chunked_request_does_not_end_the_connection_early(server: Server) -> None:
    behind = HALF + b"X-Told: transfer-encoding\r\nConnection: close\r\n\r\n"
    assert server.said(WHOLE + WHOLE + behind).count(b"HTTP/1.1 200") == 3


def test_a_slowly_read_document_arrives_complete(server: Server) -> None:
    with server.connected(buffer_bytes=4096) as client:
        client.sendall(LAST.replace(b"/ ", b"/document ", 1))
        head, _, body = read(client).partition(HEAD_END)
    assert b"Content-Length: 900000" in head
    assert body == bytes(900_000)


def test_many_slow_readers_of_one_document_use_little_memory(loop: str) -> None:
    with running(PATIENT, loop) as server, ExitStack() as stack:
        server.said(LAST.replace(b"/ ", b"/document ", 1))
        before_bytes = server.memory_bytes()
        for _ in range(300):
            client = stack.enter_context(server.connected(buffer_bytes=4096))
            client.sendall(WHOLE.replace(b"/ ", b"/document ", 1))
        for _ in range(20):
            assert b"200 OK" in server.said(LAST)  # which is answered behind all of them
        assert server.memory_bytes() - before_bytes < 40_000_000


def test_silent_connections_leave_reserved_file_descriptors_and_others_are_answered() -> None:
    """Tests that a server short of file descriptors closes the connections that have waited longest. Runs on uvloop, as
    every process of Bouquet does."""
    # The loop of asyncio would accept hundreds of connections before the server can close one.
    with running(PATIENT, "uvloop", 1024) as server, ExitStack() as stack:
        silent = [stack.enter_context(server.connected()) for _ in range(1_800)]
        assert read(silent[0]) == b""
        for _ in range(5):
            assert b"200 OK" in server.said(LAST.replace(b"/ ", b"/readyz ", 1))
            assert server.descriptors() < 990
        until_closed(server, {"descriptors": 800.0}, at_least=True)


def test_unread_request_bodies_are_not_kept_in_memory(loop: str) -> None:
    """Tests that the server's memory grows by less than 40 MB while a hundred clients send a megabyte each to a slow
    handler that does not read the bodies."""
    head = WHOLE.replace(b"/ ", b"/slow ", 1).replace(b"Host: x", b"Host: x\r\nContent-Length: 1000000")
    with running(PATIENT, loop) as server, ExitStack() as stack:
        server.said(LAST)
        before_bytes = server.memory_bytes()
        most = 0
        for _ in range(100):
            client = stack.enter_context(server.connected())
            client.sendall(head)
            client.setblocking(False)
            with suppress(BlockingIOError):
                for _ in range(10):
                    client.send(bytes(100_000))
            most = max(most, server.memory_bytes() - before_bytes)
        assert most < 40_000_000
