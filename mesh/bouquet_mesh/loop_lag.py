"""Measurement of the event loop's lag: the delay with which the loop wakes a sleeping task. Lag is the first sign of an
overloaded or blocked process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

from bouquet_mesh.observe.metrics import LOOP_LAG_SECONDS
from bouquet_mesh.tasks import alongside

EVERY_S = 0.5


@asynccontextmanager
async def measured_loop_lag() -> AsyncIterator[None]:
    """Records the event loop's lag in a histogram while the context is open."""
    async with alongside(_watch()):
        yield


async def _watch() -> NoReturn:
    loop = asyncio.get_running_loop()
    while True:
        wake_at = loop.time() + EVERY_S
        await asyncio.sleep(EVERY_S)
        LOOP_LAG_SECONDS.observe(max(0.0, loop.time() - wake_at))
