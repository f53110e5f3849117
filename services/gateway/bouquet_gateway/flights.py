"""The same question asked twice at once is asked once: later callers join the first one's flight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Flights(Generic[T]):
    """Owns the tasks of the questions under way, each ended by its own deadline."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[T]] = {}

    async def join(self, key: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """The answer, and whether another caller had asked. A caller that goes away does not end it for the others."""
        task = self._tasks.get(key)
        joined = task is not None
        if task is None:
            task = asyncio.create_task(ask())
            self._tasks[key] = task
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        return await asyncio.shield(task), joined
