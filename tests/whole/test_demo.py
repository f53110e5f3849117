"""Tests of `make demo`: it prints READY and a curl command that works, and Ctrl-C ends all its processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import free_port
from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH, GatewayClient, gateway_client
from tests.support.people import CAF_ALLOCATAIRE, MSA_ALLOCATAIRE
from tests.support.processes import Line, Process
from tests.support.waiting import TEST_TIMEOUT_S, until

DEMO = Path(__file__).parents[2] / "deploy" / "demo" / "demo.py"
CALL = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
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
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if mark in environ_of(folder)]


def environ_of(folder: Path) -> str:
    with suppress(OSError):
        return (folder / "environ").read_bytes().decode(errors="replace")
    return ""


@asynccontextmanager
async def started(*arguments: str, port: int | None = None) -> AsyncIterator[tuple[Process, str]]:
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
    async with started(*arguments) as (process, mark):
        printed = re.compile(r"^READY .*^curl .*/habilitations\n", re.MULTILINE | re.DOTALL)
        await until(lambda: bool(printed.search(process.output)) or not process.is_running, within_s=TEST_TIMEOUT_S)
        assert process.is_running, process.output
        running = Demo(process, mark)
        async with gateway_client(running.url) as client:
            client.token = running.token
            yield running, client


async def ran(command: list[str]) -> Any:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(output)


async def ends_cleanly(running: Demo, *, interruptions: int) -> None:
    assert len(running.alive) > 2
    for _ in range(interruptions):
        running.interrupt()
    assert await running.process.wait() == 0
    assert running.alive == []
    assert "Traceback" not in running.process.output


async def calls_are_kept(client: GatewayClient) -> None:
    """Waits until the gateway's metrics show that the broker has confirmed the access record of at least one call."""
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while True:
            metrics = await client.get("/metrics")
            if re.search(rb"^bouquet_gateway_journal_sent_total [1-9]", metrics.body, re.MULTILINE):
                return
            await asyncio.sleep(0.1)


async def test_the_demo_answers_in_one_process() -> None:
    async with demo() as (running, client):
        if shutil.which("curl"):
            body = await ran(running.curl)
            assert body["data"]["quotient_familial"]["fournisseur"] == "CNAF"
        assert (await client.get(QUOTIENT_FAMILIAL_PATH, CAF_ALLOCATAIRE)).summary == "200 CNAF"
        assert (await client.get(QUOTIENT_FAMILIAL_PATH, MSA_ALLOCATAIRE)).summary == "200 MSA"
        await calls_are_kept(client)
        habilitations = (await ran(running.registry_curl))["data"]
        assert len(habilitations) == 2
        assert (await client.get("/api/introspect")).json["scopes"] == sorted(habilitations[0]["scopes"])
        assert (await ran(running.editor_curl))["data"]["quotient_familial"]["fournisseur"] == "CNAF"
        async with gateway_client(running.portal) as browser:
            assert (await browser.get("/")).status == 200
        await ends_cleanly(running, interruptions=1)


@pytest.mark.broker
async def test_the_demo_in_several_processes_logs_one_trace_id(broker_url: str) -> None:
    async with demo("--bus", broker_url) as (running, client):
        if shutil.which("curl"):
            body = await ran(running.curl)
            assert body["data"]["quotient_familial"]["fournisseur"] == "CNAF"
        headers = {"X-Request-Id": CALL, "Cache-Control": "no-cache"}
        assert (await client.get(QUOTIENT_FAMILIAL_PATH, MSA_ALLOCATAIRE, headers=headers)).summary == "200 MSA"
        services = {"bouquet-gateway", "bouquet-cnaf", "bouquet-msa", "bouquet-simulators"}
        await until(lambda: services == {line["service"] for line in running.of_trace_of(CALL)})
        await calls_are_kept(client)
        await ends_cleanly(running, interruptions=3)  # by one who does not like to wait


@pytest.mark.slow
async def test_a_demo_whose_port_is_taken_says_so_and_leaves_nothing_behind() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with started(port=taken.getsockname()[1]) as (process, mark):
            assert await process.wait(within_s=TEST_TIMEOUT_S) == 1
            assert "bouquet-gateway serve ended with status" in process.output
            assert "cannot be listened on: Address already in use" in process.output
            assert "Traceback" not in process.output
            assert marked(mark) == []
