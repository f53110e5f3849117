"""Single flight: while a request to a provider is in flight, an identical request is not sent. Both callers get the
same answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Collection of the requests in flight, by key. A second request with the same key is not sent: it gets the answer
    to the first."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[T]] = {}

    async def join(self, key: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """Returns the answer to the request with this key. If none is in flight, sends the request by calling `ask`.
        The second result is `True` if the request was already in flight."""
        # A caller that is cancelled does not cancel the question, since others may wait for it.
        joined = key in self._tasks
        return await asyncio.shield(self.start(key, ask)), joined

    def start(self, key: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Returns the task that waits for the answer to the request with this key. If none is in flight, sends the
        request by calling `ask`."""
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.create_task(ask())
            self._tasks[key] = task
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        return task
