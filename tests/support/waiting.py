"""Waiting for conditions that no event announces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

Condition: TypeAlias = Callable[[], bool]

TEST_TIMEOUT_S = 120.0
"""Seconds after which a test that waits fails. The limit is high because a busy machine may be slow."""


async def until(condition: Condition, *, within_s: float = TEST_TIMEOUT_S) -> None:
    """Waits until `condition` returns true, and fails with `TimeoutError` after `within_s` seconds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is waited for is a library's or a broker's, without an event
            await asyncio.sleep(0.005)
