"""A worker to be killed, or that kills itself. Does what the lines that it reads say, and ends with its input.

`serve hold` answers nothing, `serve` everything; but `poison` ends the process, when it is told to `die` or at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from bouquet_mesh.bus.open import open_bus
from bouquet_proto.messages import Reply, Request
from tests.support.bus import FOUND, serving

HANDLING_S = 0.05


async def main(url: str, clock_ahead_s: float) -> None:
    put_forward(clock_ahead_s)
    told = await heard()
    hold, death = told == "serve hold", asyncio.Event()

    async def handle(request: Request) -> Reply:
        say(f"working on {request.id}")
        if request.id == "poison":
            if hold:
                await death.wait()
            os._exit(1)
        try:
            await (asyncio.Event().wait() if hold else asyncio.sleep(HANDLING_S))
        except asyncio.CancelledError:
            say(f"gave up {request.id}")
            raise
        return FOUND

    async with open_bus(url, "worker-process") as bus, serving(bus, handle):
        say("consuming")
        if await heard() == "die":
            death.set()
            await heard()


def put_forward(seconds: float) -> None:
    """What this process takes for the time."""
    right = time.time
    time.time = lambda: right() + seconds


async def heard() -> str:
    line: str = await asyncio.to_thread(sys.stdin.readline)
    return line.strip()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
