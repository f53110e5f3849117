"""Time limits of a doctor, whose checks run side by side and all end by one deadline, whatever is broken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, TypeAlias, TypeVar

from bouquet_mesh.doctor.findings import Finding, unknown
from bouquet_proto.deadline import Deadline

T = TypeVar("T")

CHECKS_S = 3.75
"""Seconds after which no check of an examination waits any longer: long enough to try a second database server after
waiting in vain for the first."""
CLOSE_S = 0.4
"""Longest wait, in seconds, for a connection to close."""
END_S = 1.0
"""Seconds after the deadline at which checks are cancelled. Checks use this time to close their connections."""

Check: TypeAlias = Coroutine[Any, Any, list[Finding]]


async def at_once(checks: Mapping[str, Check], deadline: Deadline) -> list[Finding]:
    """Runs checks side by side, and returns their findings in the order of `checks`. A check that has not ended `END_S`
    after the deadline is cancelled, and gives one finding, whose subject is the check's key in `checks`."""
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
    """Enters a context. Spends at most `CLOSE_S` on leaving the context, since the server whose connection it closes
    may be silent."""
    entered = await context.__aenter__()
    try:
        yield entered
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await context.__aexit__(None, None, None)
