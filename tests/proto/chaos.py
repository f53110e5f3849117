"""What breaks on demand: a network between a bus and its broker, and a worker in a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

from yarl import URL

from tests.support.daemon import free_port


class Relay:
    """A port in front of a broker's. Shut at first; shutting it cuts all that goes through, as a network does."""

    def __init__(self, broker_url: str) -> None:
        broker = URL(broker_url)
        assert broker.port
        self._broker_port = broker.port
        self._port = free_port()
        self.url = str(broker.with_port(self._port))
        self._server: asyncio.Server | None = None
        self._flows: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def shut(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for flow in self._flows:
            flow.cancel()
        await asyncio.gather(*self._flows, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flow = asyncio.create_task(self._carry(reader, writer))
        self._flows.add(flow)
        flow.add_done_callback(self._flows.discard)
        flow.add_done_callback(lambda _: writer.transport.abort())

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._broker_port)
            try:
                await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
            finally:
                far_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    raise ConnectionResetError


class WorkerProcess:
    """`worker_process.py`, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def serve(self) -> None:
        """Returns once requests reach it."""
        assert self._process.stdin
        self._process.stdin.write(b"serve\n")
        await self.says("consuming")

    async def says(self, line: str) -> None:
        assert self._process.stdout
        async with asyncio.timeout(10):
            assert (await self._process.stdout.readline()).decode().strip() == line

    async def kill(self) -> None:
        """SIGKILL: it answers nothing, acknowledges nothing, closes nothing."""
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def worker_process(broker_url: str) -> AsyncIterator[WorkerProcess]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.proto.worker_process",
        broker_url,
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
