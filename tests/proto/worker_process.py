"""A worker to be killed. Serves once it has read a line, says what it does, answers nothing, ends with its input."""

from __future__ import annotations

import asyncio
import sys

from bouquet_proto.bus import open_bus
from bouquet_proto.messages import Reply, Request
from tests.proto.buses import serving


async def main(url: str) -> None:
    await asyncio.to_thread(sys.stdin.readline)
    async with open_bus(url, "worker-process") as bus, serving(bus, never):
        say("consuming")
        await asyncio.to_thread(sys.stdin.readline)


async def never(request: Request) -> Reply:
    say(f"working on {request.id}")
    await asyncio.Event().wait()
    raise AssertionError


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
