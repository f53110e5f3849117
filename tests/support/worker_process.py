"""A worker in a process of its own, which tests control and kill. It reads commands from standard input: `serve`,
`serve hold` (without answering) and `die`."""
# A request with the id `poison` ends the process: at once after `serve`, or, after `serve hold`, once a test sends the
# command `die`.

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bouquet_mesh.bus.open import open_bus
from bouquet_proto.messages import Reply, Request
from tests.support.bus import FOUND, serving
from tests.support.waiting import TEST_TIMEOUT_S

HANDLING_S = 0.05


class WorkerProcess:
    """Control of the worker's process: its input, output and end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def serve(self, *, hold: bool = True) -> None:
        """Tells the worker to take requests, and returns once it takes them. If `hold` is true (the default), the
        worker never replies to them."""
        self.send_line("serve hold" if hold else "serve")
        await self.expect_line("consuming")

    def send_line(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n".encode())

    async def expect_line(self, line: str) -> None:
        assert await self.next_line() == line

    async def next_line(self) -> str:
        """Returns the next printed line, or an empty text once the process has ended."""
        async with asyncio.timeout(TEST_TIMEOUT_S):
            return await self._line()

    async def remaining_lines(self) -> list[str]:
        """Waits until the process ends, and returns the printed lines that no test has read yet."""
        async with asyncio.timeout(TEST_TIMEOUT_S):
            return [line async for line in self._lines()]

    async def _lines(self) -> AsyncIterator[str]:
        while line := await self._line():
            yield line

    async def _line(self) -> str:
        assert self._process.stdout
        return (await self._process.stdout.readline()).decode().strip()

    async def kill(self) -> None:
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def worker_process(broker_url: str, *, clock_ahead_s: float = 0.0) -> AsyncIterator[WorkerProcess]:
    """Runs the worker's process until the end of the context. The clock of the process is `clock_ahead_s` seconds ahead
    of the real time."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.worker_process",
        broker_url,
        str(clock_ahead_s),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        yield WorkerProcess(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def main(url: str, clock_ahead_s: float) -> None:
    shift_clock(clock_ahead_s)
    told = await read_line()
    hold, death = told == "serve hold", asyncio.Event()

    async def handle(request: Request) -> Reply:
        write_line(f"working on {request.id}")
        if request.id == "poison":
            if hold:
                await death.wait()
            os._exit(1)
        try:
            await (asyncio.Event().wait() if hold else asyncio.sleep(HANDLING_S))
        except asyncio.CancelledError:
            write_line(f"gave up {request.id}")
            raise
        return FOUND

    async with open_bus(url, "worker-process") as bus, serving(bus, handle):
        write_line("consuming")
        if await read_line() == "die":
            death.set()
            await read_line()


def shift_clock(seconds: float) -> None:
    """Makes `time.time` in this process run `seconds` ahead of the real time."""
    right = time.time
    time.time = lambda: right() + seconds


async def read_line() -> str:
    line: str = await asyncio.to_thread(sys.stdin.readline)
    return line.strip()


def write_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
