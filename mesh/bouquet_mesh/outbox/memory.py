"""The embedded outbox. It holds nothing itself: a body is safe, and `send` returns, once a collector is done with it.

So a process that is killed loses nothing that its sender does not still have.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from msgspec import Struct

from bouquet_mesh.outbox.api import MOST, WAIT_S, Batch, NotSent, gather

POST_TIMEOUT_S = 10.0


class _Letter(Struct, frozen=True, eq=False):
    body: bytes
    handed_over: asyncio.Future[None]
    """Cancelled: its sender has taken it back."""

    def hand_over(self) -> None:
        if not self.handed_over.done():
            self.handed_over.set_result(None)


class MemoryOutbox:
    """Several collectors share what is sent, as they would a queue. Senders' patience bounds what waits."""

    connected = True

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[_Letter] = asyncio.Queue()

    async def send(self, bodies: Sequence[bytes]) -> None:
        loop = asyncio.get_running_loop()
        letters = [_Letter(bytes(body), loop.create_future()) for body in bodies]
        for letter in letters:
            self._waiting.put_nowait(letter)
        try:
            async with asyncio.timeout(POST_TIMEOUT_S):
                await asyncio.gather(*(letter.handed_over for letter in letters))
        except TimeoutError:
            raise NotSent("nobody collects") from None
        finally:
            for letter in letters:
                letter.handed_over.cancel()
            self._sort()

    @asynccontextmanager
    async def collect(self, *, most: int = MOST, wait_s: float = WAIT_S) -> AsyncIterator[AsyncIterator[Batch]]:
        held: list[_Letter] = []
        try:
            async with aclosing(self._batches(held, most, wait_s)) as batches:
                yield batches
        finally:
            for letter in held:
                self._waiting.put_nowait(letter)
            self._sort()

    async def _batches(self, held: list[_Letter], most: int, wait_s: float) -> AsyncGenerator[Batch]:
        async def acknowledge() -> None:
            for letter in held:
                letter.hand_over()
            held.clear()

        while True:
            await gather(held, self._waiting, most, wait_s)
            batch = Batch(tuple(letter.body for letter in held), acknowledge)
            while not batch.is_done:
                yield batch

    def _sort(self) -> None:
        """Nothing waits that its sender has taken back, or that has arrived."""
        for _ in range(self._waiting.qsize()):
            letter = self._waiting.get_nowait()
            if not letter.handed_over.done():
                self._waiting.put_nowait(letter)
