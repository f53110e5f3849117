"""The mesh as separate processes. Only the simulated administrations run in the tests' process."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from aiohttp import web

from bouquet_mesh.listen import listening
from bouquet_proto.names import EMBEDDED
from bouquet_worker.simulate import RECEIVED, Received
from tests.support.gateway import HOST
from tests.support.gateway_client import TOKEN_KEY, GatewayClient, gateway_client
from tests.support.mesh import PROVIDERS, HeldUpstreams
from tests.support.programs import environ_with
from tests.support.waiting import TEST_TIMEOUT_S, until

BIN = Path(sys.executable).parent
Line: TypeAlias = dict[str, Any]


class Process:
    """A running command and its output, which contains its log as one JSON object per line."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.output = ""
        self._process = process
        self._reading = asyncio.create_task(self._read())

    @property
    def lines(self) -> list[Line]:
        whole = self.output[: self.output.rfind("\n") + 1]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    def logged(self, message: str) -> list[Line]:
        return [line for line in self.lines if line["message"] == message]

    async def until_logged(self, message: str, *, times: int = 1, within_s: float = TEST_TIMEOUT_S) -> Line:
        """Waits until the log has `times` events with this message, and returns the last of them. Fails if the process
        ends first."""
        await until(lambda: len(self.logged(message)) >= times or not self.is_running, within_s=within_s)
        assert len(self.logged(message)) >= times, f"{self.name} ended:\n{self.output}"
        return self.logged(message)[-1]

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self.wait()

    async def stop(self) -> int:
        with suppress(ProcessLookupError):
            self._process.terminate()
        return await self.wait()

    async def wait(self, *, within_s: float = TEST_TIMEOUT_S) -> int:
        async with asyncio.timeout(within_s):
            status = await self._process.wait()
            await self._reading
            return status

    async def _read(self) -> None:
        assert self._process.stdout
        while piece := await self._process.stdout.read(65536):
            self.output += piece.decode(errors="replace")


@asynccontextmanager
async def running_command(environ: Mapping[str, str], *command: str) -> AsyncIterator[Process]:
    """Runs a command of Bouquet with the settings in `environ` and no others, and kills it at the end of the
    context."""
    started = await asyncio.create_subprocess_exec(
        BIN / command[0],
        *command[1:],
        env=environ_with(environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    process = Process(" ".join(command), started)
    try:
        yield process
    finally:
        await process.kill()


class ProcessMesh:
    """A mesh whose processes a test starts one by one; they all end with the context."""

    def __init__(self, bus_url: str, stack: AsyncExitStack, environ: Mapping[str, str]) -> None:
        self.bus_url = bus_url
        self.upstreams = HeldUpstreams()
        self.processes: list[Process] = []
        self._stack = stack
        self._environ = {"BOUQUET_BUS_URL": bus_url, **environ}
        self._apps: dict[str, web.Application] = {}
        self._settings: dict[str, dict[str, str]] = {}

    async def simulate(self) -> None:
        for provider, (_, simulator) in PROVIDERS.items():
            app = simulator.app()
            app.middlewares.append(self.upstreams.middleware(provider))
            url = await self._stack.enter_async_context(listening(app, HOST, 0))
            self._apps[provider] = app
            self._settings[provider] = simulator.settings(url)

    def received(self, provider: str) -> list[Received]:
        """Returns the requests that a provider's simulator has received. Requests for OAuth tokens are left out."""
        return [received for received in self._apps[provider][RECEIVED] if not received.path.endswith("/token")]

    async def worker(self, provider: str, **environ: str) -> Process:
        worker = await self._start({**self._settings[provider], **environ}, "bouquet-worker", "run", provider)
        await worker.until_logged("worker started")
        return worker

    async def gateway(self, **settings: str | float) -> tuple[Process, GatewayClient]:
        """Starts a gateway as a process. Returns the process and a client of it."""
        own: dict[str, str | float] = {"tokens_from": "claims", "port": 0, "calls_per_second": 1_000_000}
        chosen = own | {"providers": ",".join(PROVIDERS), "bus_url": self.bus_url} | settings
        environ = {"BOUQUET_BUS_URL": str(chosen.pop("bus_url"))}
        environ |= {f"BOUQUET_GATEWAY_{name.upper()}": str(value) for name, value in chosen.items()}
        environ["BOUQUET_GATEWAY_TOKEN_KEY"] = TOKEN_KEY.reveal()
        if self.bus_url == EMBEDDED:
            environ |= {name: value for own in self._settings.values() for name, value in own.items()}
        gateway = await self._start(environ, "bouquet-gateway", "serve")
        port = (await gateway.until_logged("gateway started"))["port"]
        return gateway, await self._stack.enter_async_context(gateway_client(f"http://{HOST}:{port}"))

    async def _start(self, environ: Mapping[str, str], *command: str) -> Process:
        process = await self._stack.enter_async_context(running_command({**self._environ, **environ}, *command))
        self.processes.append(process)
        return process


@asynccontextmanager
async def process_mesh(bus_url: str, **environ: str) -> AsyncIterator[ProcessMesh]:
    """Starts the simulated administrations, and yields a mesh to which tests add the other processes. Every added
    process gets the settings `environ`."""
    async with AsyncExitStack() as stack:
        system = ProcessMesh(bus_url, stack, environ)
        await system.simulate()
        # After the simulators are asked to end, so that none waits for a gate that nobody opens.
        stack.callback(system.upstreams.open.set)
        yield system
