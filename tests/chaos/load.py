"""Load on a mesh, made by a separate process. `python -m tests.chaos.load` reads a `Plan` in JSON, and writes a
`LoadResult` when its input is closed."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
import uvloop
from msgspec import Struct

from bouquet_gateway.paths import DOSSIERS as DOSSIERS_PATH
from tests.chaos.invariants import (
    Answer,
    Caller,
    Invariant,
    Rules,
    Violation,
    as_single,
    is_right,
    status_and_code,
    violations,
)
from tests.chaos.people import RECORDED, Citizen, citizens
from tests.support.gateway import HOST

AGAIN = 0.5
"""Probability, from 0 to 1, that a call asks about the same person as an earlier call."""
DOSSIERS = 0.1
"""Probability, from 0 to 1, that a call is made as a dossier with one part."""
REMEMBERED = 2000
"""Number of people that the load remembers, to ask about them again."""
ATTEMPTS = 6
"""Largest number of attempts at one call, each at another gateway."""
PAUSE_S = 0.05
"""Seconds by which the pause between two attempts at the same call grows with each attempt."""
PATIENCE_S = 10.0
"""Longest time, in seconds, that a call waits for its answer."""
SHOWN = 20
"""Number of violations whose text is kept. Further ones are only counted."""


class Plan(Struct, frozen=True):
    """Load to make: the number of calls a second, the callers that make them, and the ports of the gateways. The people
    asked about have consecutive numbers, beginning with `first_person`."""

    ports: tuple[int, ...]
    callers: tuple[Caller, ...]
    rules: Rules
    seed: int
    first_person: int
    per_second: float
    at_once: int
    """Largest number of simultaneous calls. While it is reached, the load makes fewer calls a second than planned."""


class LoadResult(Struct):
    """Counts, latencies and violations of a load. `answered` counts calls by the answer that they got, `kinds` by the
    kind of person asked about."""

    asked: int = 0
    answered: Counter[str] = msgspec.field(default_factory=Counter)
    kinds: Counter[str] = msgspec.field(default_factory=Counter)
    failed_at: list[float] = []
    """Times, by the machine's monotonic clock, at which calls ended that got no answer or a wrong one. Answers about
    people for whom no right answers are defined never count as wrong."""
    moved: int = 0
    """Number of attempts without an answer, after which the call was sent to the next gateway."""
    calls: list[str] = []
    """Request ids of calls that must be in the access journal, because they disclosed something."""
    took_s: list[float] = []
    broken: Counter[Invariant] = msgspec.field(default_factory=Counter)
    shown: list[Violation] = []

    def add_violation(self, broken: Violation) -> None:
        self.broken[broken.invariant] += 1
        if len(self.shown) < SHOWN:
            self.shown.append(broken)

    def quantile_s(self, share: float) -> float:
        """Returns the time in seconds within which a `share` (0 to 1) of the calls was answered; 0 if no call was
        answered."""
        ordered = sorted(self.took_s)
        return ordered[int(share * (len(ordered) - 1))] if ordered else 0.0


class LoadProcess:
    """A running process that calls the gateways. `result` ends it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def result(self) -> LoadResult:
        assert self._process.stdin
        self._process.stdin.close()
        written, _ = await self._process.communicate()
        assert self._process.returncode == 0, f"the load process ended with {self._process.returncode}"
        return msgspec.json.decode(written, type=LoadResult, dec_hook=lambda counter, counts: counter(counts))


@asynccontextmanager
async def generate_load(plan: Plan) -> AsyncIterator[LoadProcess]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin
    try:
        process.stdin.write(msgspec.json.encode(plan) + b"\n")
        await process.stdin.drain()
        yield LoadProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class _NoHttp(Exception):
    """Error for an answer that is no HTTP response with a length."""


class _LoadGenerator:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._chance = random.Random(plan.seed)
        self._people = citizens(self._chance, plan.first_person)
        self._known: deque[Citizen] = deque(maxlen=REMEMBERED)
        self._idle: dict[int, list[tuple[StreamReader, StreamWriter]]] = {port: [] for port in plan.ports}
        self._turn = self._attempts = 0
        self.result = LoadResult()

    async def run(self, ended: asyncio.Event) -> LoadResult:
        calls: set[asyncio.Task[None]] = set()
        due = time.perf_counter()
        async with asyncio.TaskGroup() as group:  # a call that raises ends the process, instead of going uncounted
            while not ended.is_set():
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                if len(calls) >= self._plan.at_once:
                    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
                call = group.create_task(self._call())
                calls.add(call)
                call.add_done_callback(calls.discard)
                due = max(due + 1 / self._plan.per_second, time.perf_counter())
        return self.result

    async def _call(self) -> None:
        repeated = bool(self._known) and self._chance.random() < AGAIN
        citizen = self._chance.choice(self._known) if repeated else next(self._people)
        caller = self._chance.choice(self._plan.callers)
        result = self.result
        result.asked += 1
        result.kinds[citizen.kind.name] += 1
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._plan.rules.late_s + PATIENCE_S):
                status, body, call, moved = await self._asked(citizen, caller)
        except (OSError, TimeoutError, IncompleteReadError, _NoHttp) as error:
            waited_s = time.perf_counter() - began
            result.answered["none"] += 1
            result.failed_at.append(time.monotonic())
            story = f"citizen {citizen.number} {citizen.kind.name}: {type(error).__name__} after {waited_s:.2f} s"
            result.add_violation(Violation(Invariant.ANSWERED, story))
            return
        answer = Answer(status, body, time.perf_counter() - began)
        result.took_s.append(round(answer.took_s, 4))
        result.answered[status_and_code(answer)] += 1
        if citizen.kind.answers and not is_right(citizen, answer):
            result.failed_at.append(time.monotonic())
        if status_and_code(answer) in RECORDED:
            result.calls.append(call)
        for broken in violations(citizen, caller, answer, self._plan.rules, repeated=repeated or moved):
            result.add_violation(broken)
        if not repeated:  # only now, or who asks again might be first
            self._known.append(citizen)

    async def _asked(self, citizen: Citizen, caller: Caller) -> tuple[int, bytes, str, bool]:
        """Sends a call to one gateway after another until one answers. Returns the status and body of the answer, the
        request id, and whether an earlier attempt failed."""
        is_dossier = self._chance.random() < DOSSIERS
        target, body = (DOSSIERS_PATH, citizen.dossier()) if is_dossier else (citizen.kind.path, b"")
        line = f"POST {target}" if is_dossier else f"GET {target}?{citizen.query()}"
        head = f"Host: {HOST}\r\nAuthorization: Bearer {caller.token}\r\nContent-Length: {len(body)}"
        request = f"{line} HTTP/1.1\r\n{head}\r\n".encode()
        first = self._turn = self._turn + 1
        for attempt in range(ATTEMPTS):
            self._attempts += 1
            call = str(UUID(int=self._plan.first_person << 64 | self._attempts))
            port = self._plan.ports[(first + attempt) % len(self._plan.ports)]
            try:
                status, told = await self._exchange(port, request + _named(call) + body)
                single = as_single(status, told, self._plan.rules) if is_dossier else (status, told)
                return *single, call, attempt > 0
            except (OSError, IncompleteReadError):
                if attempt == ATTEMPTS - 1:
                    raise
                self.result.moved += 1
                self._idle[port].clear()
                await asyncio.sleep(PAUSE_S * attempt)
        raise AssertionError("unreachable")

    async def _exchange(self, port: int, request: bytes) -> tuple[int, bytes]:
        idle = self._idle[port]
        reader, writer = idle.pop() if idle else await asyncio.open_connection(HOST, port)
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            status, length = _status_and_length(head)
            body = await reader.readexactly(length)
        except BaseException:
            writer.transport.abort()
            raise
        idle.append((reader, writer))
        return status, body


def _status_and_length(head: bytes) -> tuple[int, int]:
    """Returns the status of an HTTP response and the length of its body. Raises `_NoHttp` for any other text."""
    try:
        return int(head[9:12]), int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    except ValueError:
        raise _NoHttp from None


def _named(call: str) -> bytes:
    return f"X-Request-Id: {call}\r\n\r\n".encode()


async def _main() -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    plan = msgspec.json.decode(await asyncio.to_thread(sys.stdin.buffer.readline), type=Plan)
    loop.add_reader(sys.stdin.fileno(), ended.set)
    result = await _LoadGenerator(plan).run(ended)
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    uvloop.run(_main())
