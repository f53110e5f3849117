"""Running and ending of background tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


async def wait_at_most(seconds: float, task: asyncio.Task[Any]) -> None:
    """Waits until a task has ended or `seconds` have passed. The task goes on, even if the time has passed or this wait
    is cancelled."""
    # `asyncio.wait`, which can wait for several tasks, takes twice the time.
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()

    def end(_: object = None) -> None:
        if not over.done():
            over.set_result(None)

    timer = loop.call_later(seconds, end)
    task.add_done_callback(end)
    try:
        await over
    finally:
        timer.cancel()
        task.remove_done_callback(end)


@asynccontextmanager
async def alongside(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Runs `work` as a task while the context is open, and yields the task. At the end of the context, cancels the task
    and waits until it has ended."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def finish_or_cancel(tasks: set[asyncio.Task[T]], limit_s: float) -> None:
    """Waits up to `limit_s` seconds for tasks, then cancels the running tasks and waits for their end. Also cancels the
    tasks if this wait is cancelled."""
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=limit_s)
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
