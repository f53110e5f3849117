"""A redis client that sends together what is asked at once: most of what a command costs, at both ends, is its way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError


class _Command(Struct, frozen=True, eq=False):
    args: tuple[Any, ...]
    options: dict[str, Any]
    answer: asyncio.Future[Any]


class Together(Redis):
    """A command goes at once when none is under way; those that come meanwhile wait for it, and go in one batch.

    So one connection is enough, however many calls there are; how long one waits is its `socket_timeout`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_busy = False
        self._waiting: list[_Command] = []
        self._sending: asyncio.Task[None] | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        if self._is_busy:
            command = _Command(args, options, asyncio.get_running_loop().create_future())
            self._waiting.append(command)
            return await command.answer
        self._is_busy = True
        try:
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        finally:
            self._is_busy = bool(self._waiting)
            if self._waiting:
                self._sending = asyncio.create_task(self._send_waiting())

    async def _send_waiting(self) -> None:
        while self._waiting:
            waited, self._waiting = self._waiting, []
            asked = [command for command in waited if not command.answer.done()]  # somebody may have given up
            for command, answer in zip(asked, await self._answers(asked), strict=True):
                _settle(command.answer, answer)
        self._is_busy = False

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
