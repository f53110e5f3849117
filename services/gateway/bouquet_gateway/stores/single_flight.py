"""The same question asked twice at once is asked once: later callers wait for the first one's answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Owns the tasks of the questions under way, each ended by its own deadline."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[T]] = {}

    async def join(self, key: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """Returns the answer, and whether another caller had asked. The question goes on when a caller goes away."""
        joined = key in self._tasks
        return await asyncio.shield(self.start(key, ask)), joined

    def start(self, key: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Asks the question, unless it is under way, for a caller that need not wait."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(ask())
            self._tasks[key] = task
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        return task
