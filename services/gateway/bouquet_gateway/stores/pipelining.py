"""A redis client that sends together what is asked at once: most of what a command costs, at both ends, is its way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

LANES = 4
"""As many as a busy gateway has commands on the way to a redis a millisecond off: they wait for none then."""


class _Command(Struct, frozen=True, eq=False):
    args: tuple[Any, ...]
    options: dict[str, Any]
    answer: asyncio.Future[Any]


class PipeliningRedis(Redis):
    """A command goes at once while fewer than `LANES` are under way; those that come meanwhile go in one batch, by the
    lane that is free first.

    So a few connections are enough, however many calls there are; how long one waits is its `socket_timeout`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._free_lanes = LANES
        self._waiting: list[_Command] = []
        self._batches: set[asyncio.Task[None]] = set()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        if not self._free_lanes:
            command = _Command(args, options, asyncio.get_running_loop().create_future())
            self._waiting.append(command)
            return await command.answer
        self._free_lanes -= 1
        try:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        finally:
            self._go_on()

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        while self._batches:
            await asyncio.gather(*self._batches)
        await super().aclose(close_connection_pool)

    def _go_on(self) -> None:
        """With a lane that has become free."""
        asked = [command for command in self._waiting if not command.answer.done()]  # somebody may have given up
        self._waiting.clear()
        if not asked:
            self._free_lanes += 1
            return
        batch = asyncio.create_task(self._send(asked))
        self._batches.add(batch)
        batch.add_done_callback(self._batches.discard)

    async def _send(self, asked: Sequence[_Command]) -> None:
        try:
            for command, answer in zip(asked, await self._answers(asked), strict=True):
                _settle(command.answer, answer)
        finally:
            self._go_on()

    async def _answers(self, asked: Sequence[_Command]) -> Sequence[Any]:
        """One each, an exception where there is none."""
        try:
            async with self.pipeline(transaction=False) as batch:
                for command in asked:
                    batch.execute_command(*command.args, **command.options)
                return await batch.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            return [error] * len(asked)


def _settle(future: asyncio.Future[Any], answer: Any) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
