"""Time limits of a doctor: its checks run at once, and all end by one deadline, whatever is broken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, TypeAlias, TypeVar

from bouquet_mesh.doctor.findings import Finding, unknown
from bouquet_proto.deadline import Deadline

T = TypeVar("T")

CHECKS_S = 3.75
"""Seconds after which no check of an examination waits any longer. They suffice for the second of a database's servers
while the first one is silent."""
CLOSE_S = 0.4
"""Longest wait, in seconds, for the end of a connection."""
END_S = 1.0
"""Seconds after the deadline at which checks are cancelled. Until then they close their connections."""

Check: TypeAlias = Coroutine[Any, Any, list[Finding]]


async def at_once(checks: Mapping[str, Check], deadline: Deadline) -> list[Finding]:
    """Runs checks side by side, and returns their findings in the order of the checks. A check that has not ended
    `END_S` after the deadline is cancelled, and gives one finding, about the subject under which it stands."""
    tasks = {subject: asyncio.create_task(check) for subject, check in checks.items()}
    try:
        await asyncio.wait(tasks.values(), timeout=deadline.left_s() + END_S)
        return [finding for subject, task in tasks.items() for finding in _findings(subject, task)]
    finally:
        for task in tasks.values():
            task.cancel()


def _findings(subject: str, task: asyncio.Task[list[Finding]]) -> list[Finding]:
    return task.result() if task.done() else [unknown(subject, "its check has not ended in time")]


@asynccontextmanager
async def closed_in_time(context: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Enters a context, and leaves it within `CLOSE_S`: what it closes may belong to a server that is silent."""
    entered = await context.__aenter__()
    try:
        yield entered
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await context.__aexit__(None, None, None)
