"""A running `make demo`."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.support.daemon import free_port
from tests.support.gateway_client import GatewayClient, gateway_client
from tests.support.processes import Line, Process
from tests.support.waiting import TEST_TIMEOUT_S, until

DEMO = Path(__file__).parents[2] / "deploy" / "demo" / "demo.py"
MARK = "MESH_TEST_MARK"


class Demo:
    """A running `make demo`: its processes, and the URL, the token and the curl command that it printed."""

    def __init__(self, process: Process, mark: str) -> None:
        self.process = process
        self._mark = mark
        first, second, *others = self._printed()
        [self.portal] = re.findall(r"^PORTAL (http://127\.0\.0\.1:\d+)\n(?=.*^READY )", process.output, re.M | re.S)
        self.url, token = first.removeprefix("READY ").split(" token=")
        self.token = token
        self.curl = shlex.split(second)
        self.editor_curl, self.registry_curl = map(shlex.split, others)

    def _printed(self) -> tuple[str, str, str, str]:
        """Returns the line that begins with READY, and the first, third and fourth curl command printed after it. The
        second one makes a call with a FranceConnect session."""
        lines = [line for line in self.process.output.splitlines() if not line.startswith("{")]
        ready = next(number for number, line in enumerate(lines) if line.startswith("READY "))
        commands = [line for line in lines[ready:] if line.startswith("curl ")]
        return lines[ready], commands[0], commands[2], commands[3]

    @property
    def alive(self) -> list[int]:
        """Returns the ids of the demo's processes that still run."""
        # They are recognised by an environment variable, which each process inherits.
        return marked(self._mark)

    def of_trace_of(self, request_id: str) -> list[Line]:
        """Returns the log lines of all processes about the call with this request id. Includes the lines that contain
        only the call's trace id."""
        # They are found by the trace id of the call, because some lines lack its request id.
        traces = {line["trace_id"] for line in self.process.lines if line["request_id"] == request_id}
        return [line for line in self.process.lines if line["trace_id"] in traces]

    def interrupt(self) -> None:
        self.process.signal(signal.SIGINT)


def marked(mark: str) -> list[int]:
    """Returns the ids of the running processes whose environment contains a text."""
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if mark in environ_of(folder)]


def environ_of(folder: Path) -> str:
    with suppress(OSError):
        return (folder / "environ").read_bytes().decode(errors="replace")
    return ""


@asynccontextmanager
async def started(*arguments: str, port: int | None = None) -> AsyncIterator[tuple[Process, str]]:
    """Starts the demo at a gateway port, a free one unless given. Yields its process, and the text by which `marked`
    finds all its processes."""
    mark = uuid.uuid4().hex
    started = await asyncio.create_subprocess_exec(
        sys.executable, DEMO, "--port", str(port or free_port()), *arguments,
        env={name: value for name, value in os.environ.items() if not name.startswith("BOUQUET_")} | {MARK: mark},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    process = Process("the demo", started)
    try:
        yield process, mark
    finally:
        if process.is_running:
            await process.stop()


@asynccontextmanager
async def demo(*arguments: str) -> AsyncIterator[tuple[Demo, GatewayClient]]:
    """Starts the demo, and yields it once it is ready, with a client of its gateway that sends the printed token."""
    async with started(*arguments) as (process, mark):
        printed = re.compile(r"^READY .*^curl .*/habilitations\n", re.MULTILINE | re.DOTALL)
        await until(lambda: bool(printed.search(process.output)) or not process.is_running, within_s=TEST_TIMEOUT_S)
        assert process.is_running, process.output
        running = Demo(process, mark)
        async with gateway_client(running.url) as client:
            client.token = running.token
            yield running, client
