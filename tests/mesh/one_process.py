"""Small process for tests of `run_process`, with one part to open and close (a server). It prints a line when the part
opens or closes, and waits for a line on standard input before it ends."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from msgspec import Struct

from bouquet_mesh.process import Process, run_process
from bouquet_mesh.settings import MeshSettings, Port, Reader, SettingsError


class Settings(Struct, frozen=True, kw_only=True):
    port: Port = 0


def read(reader: Reader, _: MeshSettings) -> Settings:
    return reader.read(Settings, "ONE_", removed=("TURN_S",))


@asynccontextmanager
async def part(process: Process, settings: Settings) -> AsyncIterator[None]:
    lacking: dict[str, object] = {}
    async with process.bus(), process.listening(web.Application(), "127.0.0.1", settings.port) as url:
        say("opening", url)
        process.ready_when(lambda: lacking)
        yield
        lacking["status"] = "closing"
        say("closing", url)
        await asyncio.to_thread(sys.stdin.readline)
        say("closed", url)


def say(what: str, url: str) -> None:
    sys.stdout.write(f"{what} {url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        asyncio.run(run_process("one", os.environ, read, part))
    except SettingsError as error:
        sys.exit(str(error))
