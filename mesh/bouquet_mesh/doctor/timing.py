"""Time limits of a `doctor` command: its checks run side by side and all end by one deadline, even if servers do not
answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, TypeAlias, TypeVar

from bouquet_mesh.doctor.findings import Finding, unknown
from bouquet_proto.deadline import Deadline

T = TypeVar("T")

CHECKS_S = 3.75
"""Longest time, in seconds, that the checks of a `doctor` command wait for servers."""
# With `END_S` more seconds for closing connections, the command takes less than five seconds.
# Long enough to try a second database server when the first does not answer.
CLOSE_S = 0.4
"""Longest time, in seconds, that a `doctor` command waits for a connection to close."""
END_S = 1.0
"""Longest time, in seconds, that checks may take after their deadline to close connections. A check that takes longer
is cancelled."""

Check: TypeAlias = Coroutine[Any, Any, list[Finding]]


async def run_checks(checks: Mapping[str, Check], deadline: Deadline) -> list[Finding]:
    """Runs checks, given by name, side by side, and returns their results in the same order. Cancels a check that has
    not ended `END_S` seconds after the deadline; its result has the state "unknown"."""
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
    """Enters a context and yields its value. At the end, waits at most `CLOSE_S` seconds for the context to close, even
    if a server does not answer."""
    entered = await context.__aenter__()
    try:
        yield entered
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await context.__aexit__(None, None, None)
