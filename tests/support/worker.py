"""A worker in a process of its own, to be killed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.support.bus import LONG_S


class WorkerProcess:
    """`worker_process.py`, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def serve(self, *, hold: bool = True) -> None:
        """Returns once requests reach it. It answers them, unless it holds them."""
        self.tell("serve hold" if hold else "serve")
        await self.says("consuming")

    def tell(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n".encode())

    async def says(self, line: str) -> None:
        async with asyncio.timeout(LONG_S):
            assert await self._line() == line

    async def last_words(self) -> list[str]:
        """All that it still says, once it has ended by itself."""
        async with asyncio.timeout(LONG_S):
            return [line async for line in self._lines()]

    async def _lines(self) -> AsyncIterator[str]:
        while line := await self._line():
            yield line

    async def _line(self) -> str:
        assert self._process.stdout
        return (await self._process.stdout.readline()).decode().strip()

    async def kill(self) -> None:
        """SIGKILL: it answers nothing, acknowledges nothing, closes nothing."""
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def worker_process(broker_url: str, *, clock_ahead_s: float = 0.0) -> AsyncIterator[WorkerProcess]:
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
