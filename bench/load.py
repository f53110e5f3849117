"""HTTP load generator on asyncio: connections that each send a request, check the answer, and repeat."""
# A client library would cost more than some of the measured servers. It understands what these servers send (HTTP/1.1,
# Content-Length), and checks the status of every answer and a text in it.

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
import time
from collections.abc import Callable, Sequence
from typing import cast
from urllib.parse import urlsplit

import uvloop
from msgspec import Struct

from bench.tally import LatencyRecorder

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"
GOOD, REFUSED = b"200", b"503"


class Target(Struct, frozen=True):
    """Server under load, the requests to send, and the text to find in the answers."""

    host: str
    port: int
    request: Callable[[int], bytes]
    """Function that returns the next request of connection number `n`."""
    holding: bytes
    """Text that an answer must contain to count as correct."""
    pause_s: float = 0.0
    """Seconds that a connection waits after a 503 before its next request. With 0, a 503 counts as an error."""


class Connection(asyncio.Protocol):
    def __init__(self, number: int, target: Target, tally: LatencyRecorder) -> None:
        self._number = number
        self._request = target.request
        self._holding = target.holding
        self._pause_s = target.pause_s
        self._tally = tally
        self._received = b""
        self._whole = 0
        """Length of the arriving answer in bytes, head and body; 0 until its head has arrived."""
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.Transport, transport).write
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._write(self._request(self._number))

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data if self._received else data
        if not self._whole:
            head = received.find(HEAD_END)
            if head < 0:
                return
            length = LENGTH.search(received, 0, head)
            self._whole = head + len(HEAD_END) + (int(length[1]) if length else 0)
        if len(received) >= self._whole:
            self._received, self._whole = b"", 0
            status = received[9:12]
            if status == REFUSED and self._pause_s:
                asyncio.get_running_loop().call_later(self._pause_s, self._ask)
                return
            if status == GOOD and self._holding in received:
                self._tally.answered(self._began)
            else:
                self._tally.failed()
            self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)


async def load(target: Target, connections: int, warmup_s: float, seconds: float) -> None:
    """Sends requests over `connections` connections at once. Prints the measures of the window, which begins after
    the warm-up."""
    tally = LatencyRecorder()
    asking = [asyncio.create_task(_ask_for_ever(number, target, tally)) for number in range(connections)]
    await tally.window(warmup_s, seconds)
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


async def _ask_for_ever(number: int, target: Target, tally: LatencyRecorder) -> None:
    """Sends requests on one connection, one after the other, until it is cancelled. A lost connection counts as an
    error and is opened again."""
    while True:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(number, target, tally), target.host, target.port
            )
            await connection.lost
        except OSError:
            await asyncio.sleep(0.01)
        tally.failed()


def requests_of(path: str, tokens: Sequence[str], people: str) -> Callable[[int], bytes]:
    """Returns a function that takes a connection's number and returns the next request to send on it. `people` chooses
    the person that the query identifies: `new` a new one in each request, `own` always the same one per connection,
    `nobody` none (requests without a query). With `dossiers`, each request is a dossier about a new person."""
    # `nobody` sends no query. All requests of a connection carry the same token, or none if `tokens` is empty.
    authorizations = [f"\r\nAuthorization: Bearer {token}" for token in tokens] or [""]
    head = f"GET {path}"
    tails = [f" HTTP/1.1\r\nHost: 127.0.0.1{authorization}\r\n\r\n" for authorization in authorizations]
    if people == "nobody":
        whole = (head + tails[0]).encode()
        return lambda _: whole
    from bench.lookup import dossier_of, query_of  # not needed for the plain aiohttp server

    if people == "own":
        return lambda number: f"{head}?{query_of(number)}{tails[number % len(tails)]}".encode()
    fresh = itertools.count(time.time_ns() // 1000)  # unique across windows
    if people == "dossiers":
        return lambda number: _post(path, authorizations[number % len(tails)], dossier_of(next(fresh)))
    return lambda number: f"{head}?{query_of(next(fresh))}{tails[number % len(tails)]}".encode()


def _post(path: str, authorization: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1{authorization}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.load", description=__doc__)
    parser.add_argument("url", help="URL without query")
    parser.add_argument("--token", dest="tokens", nargs="*", default=())
    parser.add_argument("--holding", default="", help="text that every good answer contains")
    parser.add_argument("--people", choices=("nobody", "new", "own", "dossiers"), default="new")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument(
        "--pause-s", type=float, default=0.0, help="pause after a 503, in seconds; with 0 a 503 is an error"
    )
    parser.add_argument("--warmup-s", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=1.0)
    given = parser.parse_args()
    url = urlsplit(given.url)
    request = requests_of(url.path, given.tokens, given.people)
    target = Target(url.hostname or "", url.port or 80, request, given.holding.encode(), given.pause_s)
    uvloop.run(load(target, given.connections, given.warmup_s, given.seconds))


if __name__ == "__main__":
    main()
