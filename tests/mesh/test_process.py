"""Tests of `run_process`, by running one_process.py."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest

LONG_S = 120.0


class StartedProcess:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def wait_for_line(self, what: str) -> str:
        assert self.process.stdout
        async with asyncio.timeout(LONG_S):
            while line := (await self.process.stdout.readline()).decode().rstrip("\n"):
                self.lines.append(line)
                if line.startswith(f"{what} "):
                    return line.removeprefix(f"{what} ")
        raise AssertionError(f"it ended without a word of {what}: {self.lines}")

    async def continue_(self) -> None:
        assert self.process.stdin
        self.process.stdin.write(b"\n")
        await self.process.stdin.drain()

    async def wait_for_end(self) -> tuple[int, str]:
        async with asyncio.timeout(LONG_S):
            said, _ = await self.process.communicate()
        return self.process.returncode or 0, said.decode()


@asynccontextmanager
async def running(environ: Mapping[str, str]) -> AsyncIterator[StartedProcess]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("BOUQUET_", "OTEL_"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.mesh.one_process",
        env={**own, **environ},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield StartedProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def got(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_every_wrong_setting_is_reported_at_once_before_anything_is_opened() -> None:
    wrong = {"BOUQUET_BUS_URL": "localhost:5672", "BOUQUET_LOG_LEVEL": "LOUD", "ONE_PORT": "x", "ONE_POTR": "1"}
    async with running(wrong) as one:
        assert await one.wait_for_end() == (
            1,
            "BOUQUET_BUS_URL: must be memory: or amqp(s)://…\n"
            "BOUQUET_LOG_LEVEL: must be one of DEBUG, INFO, WARNING, ERROR\n"
            "ONE_PORT: must be a port, 0 to 65535\n"
            "ONE_POTR: unknown setting; is it ONE_PORT?\n",
        )


async def test_certificate_files_of_the_bus_are_read_before_anything_is_opened() -> None:
    wrong = {"BOUQUET_BUS_URL": "amqps://broker?cafile=/nowhere/ca.pem", "ONE_PORT": "x"}
    async with running(wrong) as one:
        _, said = await one.wait_for_end()
    assert [line.partition(":")[0] for line in said.splitlines()] == ["BOUQUET_BUS_URL", "ONE_PORT"]


async def test_a_removed_setting_logs_a_warning_with_its_name_and_the_process_starts() -> None:
    async with running({"ONE_TURN_S": "kept-to-ourselves"}) as one:
        await one.wait_for_line("opening")
        [line] = [json.loads(line) for line in one.lines if line.startswith("{")]
    assert (line["levelname"], line["message"], line["setting"]) == ("WARNING", "setting has no effect", "ONE_TURN_S")
    assert "kept-to-ourselves" not in str(line)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_draining_process_is_live_has_metrics_and_is_not_ready(number: signal.Signals) -> None:
    async with running({}) as one:
        url = await one.wait_for_line("opening")
        assert await got(f"{url}/readyz") == (200, '{"status":"ready"}')
        one.process.send_signal(number)
        assert await one.wait_for_line("closing") == url
        assert await got(f"{url}/livez") == (200, '{"status":"alive"}')
        assert await got(f"{url}/readyz") == (503, '{"status":"closing"}')
        status, metrics = await got(f"{url}/metrics")
        assert status == 200
        assert 'bouquet_ready{service="one"} 0.0' in metrics.splitlines()
        await one.continue_()
        await one.wait_for_line("closed")
        assert await one.wait_for_end() == (0, "")


async def test_a_process_short_of_file_descriptors_is_unready_logs_it_and_recovers() -> None:
    async with running({}) as one, aiohttp.ClientSession() as session:
        url = await one.wait_for_line("opening")
        pid = one.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)

        async def becomes(status: int) -> None:
            async with asyncio.timeout(LONG_S):
                while True:
                    async with session.get(f"{url}/readyz") as answer:  # on a connection that is there
                        if answer.status == status and await answer.text():
                            return
                    await asyncio.sleep(0.05)

        await becomes(200)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (20, limits[1]))
        await becomes(503)
        await logged(one, "file descriptors nearly exhausted")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        await becomes(200)
        await logged(one, "file descriptors available again")


async def logged(one: StartedProcess, message: str) -> None:
    assert one.process.stdout
    async with asyncio.timeout(LONG_S):
        while line := (await one.process.stdout.readline()).decode():
            if line.startswith("{") and json.loads(line)["message"] == message:
                return
    raise AssertionError(f"it ended without {message}")


async def test_a_second_signal_ends_a_process_at_once() -> None:
    async with running({}) as one:
        await one.wait_for_line("opening")
        one.process.terminate()
        await one.wait_for_line("closing")
        one.process.terminate()
        assert await one.wait_for_end() == (-signal.SIGTERM, "")
