"""Command `bouquet-worker dev`: serves a provider on this machine while its author writes the code. A gateway hosts the
worker, which asks the provider's simulator. All three start again when a file of the provider changes."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import traceback
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import aiohttp
from msgspec import Struct

from bouquet_mesh.listen import listening
from bouquet_mesh.tasks import alongside
from bouquet_proto.names import EMBEDDED, GATEWAY_PREFIX, MESH_PREFIX, WORKERS
from bouquet_worker.dev_watch import STOP_S, end, restart_on_change, say, stop_event
from bouquet_worker.example_calls import call_lines
from bouquet_worker.installed import installed, simulator_of
from bouquet_worker.simulate import Simulator
from bouquet_worker.testing.cases import Case, cases_in
from bouquet_worker.testing.objections import objections
from bouquet_worker.worker import Worker

HOST = "127.0.0.1"
BUS_PREFIX = f"{MESH_PREFIX}BUS_"
GATEWAY = (sys.executable, "-m", "bouquet_gateway")
START_S = 60.0
"""Seconds within which the gateway of `bouquet-worker dev` must be ready."""
POLL_S = 0.05
SHOWN_FRAMES = 3
"""Number of stack frames of a traceback that are printed when the provider cannot be imported."""


class Development(Struct, frozen=True, kw_only=True):
    """Options of `bouquet-worker dev`: the provider, the port of its gateway, and the folder of its test cases."""

    provider: str
    port: int
    cases: Path
    token_key: str = ""
    """Key that signs the token printed for the developer. If empty, a child process with a new key serves the
    provider."""
    # It comes from the process that watches, so that a token outlives a restart.


def develop(development: Development) -> int:
    """Serves the provider until Ctrl-C, and returns the command's exit status. Without a `token_key`, a child process
    serves it, and starts again whenever a file of the provider changes."""
    return asyncio.run(_serve(development) if development.token_key else _watch(development))


async def _watch(development: Development) -> int:
    """Runs the process that serves the provider until Ctrl-C, and returns 0. The process starts again whenever a file
    of the provider or of its test cases changes."""
    stop = stop_event()
    served = [sys.executable, "-m", "bouquet_worker", "dev", development.provider, "--port", str(development.port)]
    served += ["--cases", str(development.cases), "--token-key", secrets.token_hex(32)]
    await restart_on_change(served, _watched(development.provider, development.cases), stop)
    return 0


def _watched(provider: str, cases: Path) -> list[Path]:
    """Returns the folder of the provider's package and, if it exists, the folder of its test cases. Does not import the
    package."""
    package = find_spec(installed(WORKERS)[provider].module.partition(".")[0])
    folders = [Path(folder) for folder in (package and package.submodule_search_locations) or ()]
    return [*folders, *([cases] if cases.is_dir() else [])]


async def _serve(development: Development) -> int:
    """Serves the provider until SIGINT or SIGTERM, and prints how to call its operations. Returns 0, or 1 if the
    provider cannot be imported or the gateway ends by itself."""
    try:
        worker, simulator = _loaded(development.provider)
    except Exception as error:
        # Whatever the provider's own modules raise. The last steps of the traceback are in them.
        traceback.print_exception(error, limit=-SHOWN_FRAMES)
        return 1
    stop, cases = stop_event(), _cases(development.cases)
    say(*objections(worker, cases))
    async with listening(simulator.app(), HOST, 0) as upstream:
        environ = _environ(development, simulator.settings(upstream))
        async with _gateway(environ) as gateway, alongside(_announce(development, worker, cases, environ)):
            waits = [asyncio.create_task(wait) for wait in (gateway.wait(), stop.wait())]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
    if not stop.is_set():
        say("the gateway has ended; the next change starts it again")
    return 0 if stop.is_set() else 1


def _loaded(provider: str) -> tuple[Worker, Simulator]:
    return installed(WORKERS)[provider].load(), simulator_of(provider).load()


def _cases(folder: Path) -> tuple[Case, ...]:
    """Returns the test cases in a folder. If a file is malformed, prints what is wrong with it and returns an empty
    tuple."""
    try:
        return cases_in(folder)
    except ValueError as error:  # which the next change may repair
        say(str(error))
        return ()


def _environ(development: Development, upstream: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment variables of a gateway that hosts this worker and no other. `upstream` holds the
    variables that make the worker call its simulator."""
    # Settings of a gateway or bus that the shell has are for other commands.
    own = {name: value for name, value in os.environ.items() if not name.startswith((GATEWAY_PREFIX, BUS_PREFIX))}
    return {
        f"{MESH_PREFIX}LOG_LEVEL": "WARNING",
        **own,
        f"{BUS_PREFIX}URL": EMBEDDED,
        f"{GATEWAY_PREFIX}HOST": HOST,
        f"{GATEWAY_PREFIX}PORT": str(development.port),
        f"{GATEWAY_PREFIX}PROVIDERS": development.provider,
        f"{GATEWAY_PREFIX}TOKEN_KEY": development.token_key,
        f"{GATEWAY_PREFIX}TOKENS_FROM": "claims",
        **upstream,
    }


@asynccontextmanager
async def _gateway(environ: Mapping[str, str]) -> AsyncIterator[Process]:
    """Runs `bouquet-gateway serve` until the context ends, and yields its process. Kills a gateway that does not stop
    within `STOP_S` seconds."""
    gateway = await asyncio.create_subprocess_exec(*GATEWAY, "serve", env=environ, stdin=asyncio.subprocess.DEVNULL)
    try:
        yield gateway
    finally:
        await end(gateway, STOP_S)


async def _announce(
    development: Development, worker: Worker, cases: Sequence[Case], environ: Mapping[str, str]
) -> None:
    """Waits until the gateway is ready, then prints a token and a command for each operation. Prints a comment for an
    operation that no command can call. Raises `TimeoutError` if the gateway is not ready within `START_S` seconds."""
    url = f"http://{HOST}:{development.port}"
    token = await _new_token(environ)
    await _until_ready(url)
    say(f"{development.provider} answers at {url}; Ctrl-C stops it", f"TOKEN={token}")
    say(*call_lines(worker.offer(), cases, url, worker.clock()))


async def _new_token(environ: Mapping[str, str]) -> str:
    """Returns a new token, valid at the gateway of `bouquet-worker dev`, with every scope of the installed workers."""
    made = await asyncio.create_subprocess_exec(*GATEWAY, "token", env=environ, stdout=asyncio.subprocess.PIPE)
    output, _ = await made.communicate()
    return output.decode().strip()


async def _until_ready(url: str) -> None:
    """Waits until the gateway is ready. Raises `TimeoutError` if the gateway is not ready within `START_S` seconds."""
    async with asyncio.timeout(START_S), aiohttp.ClientSession() as session:
        while not await _is_ready(session, url):  # noqa: ASYNC110 - another process's, without an event
            await asyncio.sleep(POLL_S)


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
