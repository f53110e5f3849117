"""Redis client that sends concurrent commands in batches, because a round trip to redis costs more than a command."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

MAX_IN_FLIGHT = 4
"""Largest number of requests to redis that are in flight at the same time. A request is one command, or several
commands in a batch."""
# It is enough for a busy gateway at a round trip of a millisecond.


class _Command(Struct, frozen=True, eq=False):
    args: tuple[Any, ...]
    options: dict[str, Any]
    answer: asyncio.Future[Any]


class PipeliningRedis(Redis):
    """Redis client with at most `MAX_IN_FLIGHT` requests in flight. Further commands wait until a request ends, and are
    then sent together as one batch."""

    # A few connections therefore serve any number of calls. A command waits at most `socket_timeout`.

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._free_places = MAX_IN_FLIGHT
        self._waiting: list[_Command] = []
        self._batches: set[asyncio.Task[None]] = set()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        if not self._free_places:
            command = _Command(args, options, asyncio.get_running_loop().create_future())
            self._waiting.append(command)
            return await command.answer
        self._free_places -= 1
        try:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        finally:
            self._release()

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        while self._batches:
            await asyncio.gather(*self._batches)
        await super().aclose(close_connection_pool)

    def _release(self) -> None:
        """Called when a request to redis has ended. Sends all waiting commands as one batch."""
        # If no command waits, the next command can be sent at once.
        commands = [
            command for command in self._waiting if not command.answer.done()
        ]  # its caller may have been cancelled
        self._waiting.clear()
        if not commands:
            self._free_places += 1
            return
        batch = asyncio.create_task(self._send(commands))
        self._batches.add(batch)
        batch.add_done_callback(self._batches.discard)

    async def _send(self, commands: Sequence[_Command]) -> None:
        try:
            for command, answer in zip(commands, await self._execute_batch(commands), strict=True):
                _settle(command.answer, answer)
        finally:
            self._release()

    async def _execute_batch(self, commands: Sequence[_Command]) -> Sequence[Any]:
        """Sends the commands and returns their answers in the same order. The answer of a failed command is an
        exception."""
        try:
            async with self.pipeline(transaction=False) as batch:
                for command in commands:
                    batch.execute_command(*command.args, **command.options)
                return await batch.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            return [error] * len(commands)


def _settle(future: asyncio.Future[Any], answer: Any) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
