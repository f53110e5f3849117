"""Commands run as child processes without asyncio, with their output in a file."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import aiohttp


def environ_with(changes: Mapping[str, str]) -> dict[str, str]:
    """Returns this process's environment variables without settings of Bouquet and OpenTelemetry, and with `changes`
    added."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("BOUQUET_", "OTEL_"))}
    return {**own, **changes}


@contextmanager
def started(log: Path, environ: Mapping[str, str], module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs `python -m module …` with its output in the file `log`, and kills it at the end of the context."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=environ_with(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def output_of(environ: Mapping[str, str], module: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environ_with(environ),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=200,
    ).stdout


async def ended(process: subprocess.Popen[bytes], *, within_s: float) -> int:
    return await asyncio.to_thread(process.wait, within_s)


async def status_of(url: str) -> int:
    """Sends a GET request to a URL and returns the status of the answer, or 0 if the request fails without one."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status
    except aiohttp.ClientError:
        return 0


async def until_status(url: str, status: int, *, within_s: float = 120.0) -> None:
    async with asyncio.timeout(within_s):
        while await status_of(url) != status:  # noqa: ASYNC110 - another process's, without an event
            await asyncio.sleep(0.02)
