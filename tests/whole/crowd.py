"""A crowd at a gateway's door, in a process of its own: it must not take the time of what it measures.

`python -m tests.mesh.crowd` reads a `Plan` and writes a `Tale`, both JSON. It speaks just enough HTTP to be cheap.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Iterator
from typing import cast
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from tests.whole.door import QF
from tests.whole.people import named

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

WARM_UP_S = 2.0
"""Not measured: connections are made, code is read for the first time, and those who come at a pace become more."""


class Plan(Struct, frozen=True):
    """`clients` call one call after another; with `per_second`, calls come at that pace whatever becomes of them."""

    host: str
    port: int
    token: str
    seconds: float
    first_person: int
    """Nobody is asked about twice: the next plan begins after `Tale.asked` more."""
    clients: int = 0
    per_second: float = 0.0


class Tale(Struct, frozen=True):
    """The answers by HTTP status, each as the seconds it took."""

    seconds: float
    asked: int
    took_s: dict[int, list[float]]

    def per_second(self, status: int = 200) -> float:
        return len(self.took_s.get(status, ())) / self.seconds

    def quantile_s(self, share: float, status: int = 200) -> float:
        ordered = sorted(self.took_s.get(status, ()))
        return ordered[int(share * (len(ordered) - 1))] if ordered else 0.0


async def gathered(plan: Plan) -> Tale:
    """What became of a crowd, which comes from another process."""
    crowd = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await crowd.communicate(msgspec.json.encode(plan))
    assert crowd.returncode == 0, f"the crowd ended with {crowd.returncode}"
    return msgspec.json.decode(told, type=Tale)


def _requests(plan: Plan) -> Iterator[bytes]:
    """About somebody whom the CAF knows, and about whom nobody has asked yet."""
    varying = {"anneeDateNaissance": "{year}", "jourDateNaissance": "{day}"}
    person = named("CAF-FOUND", codeCogInseeCommuneNaissance="{commune}", **varying)
    query = urlencode(person, doseq=True, quote_via=quote, safe="{}")
    request = f"GET {QF}?{query} HTTP/1.1\r\nHost: {plan.host}\r\nAuthorization: Bearer {plan.token}\r\n\r\n"
    number = plan.first_person
    while True:
        rest, day = divmod(number, 28)
        commune, year = divmod(rest, 60)
        yield request.format(year=1940 + year, day=1 + day, commune=10000 + commune).encode()
        number += 1


class _Line(asyncio.Protocol):
    """A connection, for one call at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.Transport, transport).write

    def call(self, request: bytes) -> asyncio.Future[int]:
        """Its status, once the whole answer is here."""
        self._received = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if self._answer and end and len(body) >= int(length[1] if length else 0):
            self._answer.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError())


class _Crowd:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests = _requests(plan)
        self._idle: list[_Line] = []
        self._asked = 0
        self._took_s: dict[int, list[float]] = {}
        self._from = time.perf_counter() + WARM_UP_S
        self._to = self._from + plan.seconds

    async def gather(self) -> Tale:
        await (self._at_a_pace() if self._plan.per_second else self._one_after_another())
        return Tale(self._plan.seconds, self._asked, self._took_s)

    async def _one_after_another(self) -> None:
        async def client() -> None:
            while time.perf_counter() < self._to:
                await self._call(time.perf_counter())

        await asyncio.gather(*(client() for _ in range(self._plan.clients)))

    async def _at_a_pace(self) -> None:
        calls: set[asyncio.Task[None]] = set()
        due = time.perf_counter()
        while due < self._to:
            await asyncio.sleep(due - time.perf_counter())
            call = asyncio.create_task(self._call(due))
            calls.add(call)
            call.add_done_callback(calls.discard)
            grown = 1 - max(0.0, self._from - due) / WARM_UP_S
            due += 1 / self._plan.per_second / max(grown, 0.1)
        await asyncio.gather(*calls)

    async def _call(self, due: float) -> None:
        """On any connection that is free."""
        self._asked += 1
        line = self._idle.pop() if self._idle else await self._connect()
        status = await line.call(next(self._requests))
        self._idle.append(line)
        ended = time.perf_counter()
        if self._from <= ended < self._to:
            self._took_s.setdefault(status, []).append(ended - due)

    async def _connect(self) -> _Line:
        _, line = await asyncio.get_running_loop().create_connection(_Line, self._plan.host, self._plan.port)
        return line


if __name__ == "__main__":
    import uvloop

    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    tale = uvloop.run(_Crowd(plan).gather())
    sys.stdout.buffer.write(msgspec.json.encode(tale))
    sys.stdout.buffer.flush()
