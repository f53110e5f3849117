"""A connection to the broker that comes back: made, watched, and rebuilt whole after any loss (docs/adr/0002)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NoReturn, Protocol

from prometheus_client import Gauge

from bouquet_mesh.amqp.channel import OnLost
from bouquet_mesh.amqp.connection import Connection, connect
from bouquet_mesh.amqp.errors import cancellation_as_loss, refused_right
from bouquet_mesh.backoff import pause_s
from bouquet_mesh.observe import metrics
from bouquet_mesh.secret import Secret
from bouquet_mesh.tasks import alongside
from bouquet_mesh.tls.context import trouble_of, verified
from bouquet_proto.names import MESH_PREFIX

log = logging.getLogger(__name__)

SETUP_TIMEOUT_S = 5.0
FIRST_RETRY_S = 0.2
LAST_RETRY_S = 5.0
STEADY_S = 10.0
"""A connection that lasted less is one more failure, so that one lost again and again is not made again and again."""
PROBE_EVERY_S = 1.0
SILENCE_S = 3.0
"""A broker that takes longer to give a message back does not respond."""
SILENCES = 2
"""So many and the connection is made anew, long before its heartbeat would tell."""


class Part(Protocol):
    """What a process does on its connection; made anew each time the connection is."""

    async def up(self, connection: Connection, on_lost: OnLost) -> None:
        """Declares, publishes and consumes what it needs, on channels whose end is reported to `on_lost`."""

    async def probe(self) -> None:
        """Returns when a message has gone to the broker and come back; raises what a broken connection raises."""

    def down(self) -> None:
        """The connection is gone."""


class Link:
    """A connection that comes back, and the parts that live on it. One task, `run`, makes and remakes them all."""

    def __init__(self, url: str, name: str, gauge: Gauge) -> None:
        self.connected = False
        self._is_heard = False
        """A message has come back on this connection, from all that lives on it."""
        self._is_silent = False
        """The last one has not."""
        self.settled = asyncio.Event()
        """Nothing is on its way up: what is attached is up, or the broker is away. Not before the first attempt."""
        self._url = url
        self._name = name
        self._gauge = gauge
        self._parts: list[Part] = []
        self._news: asyncio.Queue[Part | Exception | None] = asyncio.Queue()
        """What is to be made, what is gone, and that a word of the broker's has come or is overdue."""

    @property
    def responsive(self) -> bool:
        """The broker takes messages and gives them back. One that hangs, blocks its publishers, or refuses us what we
        ask for is connected too."""
        return self._is_heard and not self._is_silent

    def attach(self, part: Part) -> None:
        """From now on `part` is up whenever the connection is."""
        self._parts.append(part)
        if self.connected:
            self.settled.clear()
            self._news.put_nowait(part)

    @asynccontextmanager
    async def holding(self, part: Part) -> AsyncIterator[None]:
        """`part` is attached, and up if the broker is there. After the context it is not made again, nor being made."""
        self.attach(part)
        try:
            await self.settled.wait()
            yield
        finally:
            self._parts.remove(part)
            if self.connected:
                await self.settled.wait()

    async def run(self) -> NoReturn:
        """Connects, waits for the loss, and again, with growing and jittered pauses. Ends by cancellation."""
        failures, told = 0, ""
        while True:
            began = time.monotonic()
            try:
                with cancellation_as_loss():
                    await self._live()
            except Exception as error:  # whatever it was, the only cure is to connect again
                right = refused_right(error)
                trouble = (right and f"no {right}") or trouble_of(error) or type(error).__name__
            self.settled.set()
            if time.monotonic() - began > STEADY_S:
                failures, told = 0, ""
            if trouble != told:
                log.warning("broker unavailable", extra={"error": trouble, "connection": self._name})
                told = trouble
            await asyncio.sleep(pause_s(failures, FIRST_RETRY_S, LAST_RETRY_S))
            failures += 1

    async def _live(self) -> NoReturn:
        """One connection, to its end: raises what ended it."""
        connection = await connect(self._url, self._name)
        log.info("broker connected", extra={"connection": self._name})
        self._gauge.set(1)
        self.connected = True
        self.settled.clear()
        try:
            await self._tend(connection)
        finally:
            self.connected = self._is_heard = self._is_silent = False
            self._gauge.set(0)
            connection.drop()
            for part in self._parts:
                part.down()
            self.settled.set()
            await connection.close()

    async def _tend(self, connection: Connection) -> NoReturn:
        news = self._news = asyncio.Queue[Part | Exception | None]()
        for part in self._parts:
            news.put_nowait(part)

        connection.on_lost(news.put_nowait)
        watching: asyncio.Task[None] | None = None
        try:
            while True:
                if news.empty() and watching is None:
                    watching = asyncio.create_task(self._watch(connection))
                elif news.empty():
                    self.settled.set()
                match await news.get():
                    case Exception() as cause:
                        raise cause
                    case None:
                        continue
                    case part if part in self._parts:
                        async with asyncio.timeout(SETUP_TIMEOUT_S):
                            await part.up(connection, news.put_nowait)
        finally:
            if watching is not None:
                watching.cancel()

    async def _watch(self, connection: Connection) -> None:
        """Sends messages to the broker and back, until none comes back."""
        while await self._responds(connection):
            self._hear(True)
            await asyncio.sleep(PROBE_EVERY_S)
        self._news.put_nowait(TimeoutError())

    async def _responds(self, connection: Connection) -> bool:
        """False of a broker that stays silent; one that has said it is short of memory or disk is waited for."""
        round_trip = asyncio.create_task(self._round_trip())  # not in a timeout: aiormq closes a channel so cancelled
        silences = 0
        try:
            while not (await asyncio.wait([round_trip], timeout=SILENCE_S))[0]:
                self._hear(False)
                silences += not await connection.is_blocked()
                if silences == SILENCES:
                    return False
            return not round_trip.cancelled() and round_trip.exception() is None
        finally:
            round_trip.cancel()

    async def _round_trip(self) -> None:
        for part in tuple(self._parts):
            await part.probe()

    def _hear(self, responds: bool) -> None:
        if responds == self._is_silent:
            log.warning("broker responds again" if responds else "broker does not respond")
        if not self.settled.is_set():
            self._news.put_nowait(None)
        self._is_heard, self._is_silent = self._is_heard or responds, not responds


@asynccontextmanager
async def open_link(url: str, name: str, gauge: Gauge = metrics.BUS_CONNECTED) -> AsyncIterator[Link]:
    """A link that is usable at once and connected as soon as the broker is. Raises `SettingsError`."""
    link = Link(verified(Secret(url), f"{MESH_PREFIX}BUS_URL"), name, gauge)
    async with alongside(link.run()):
        yield link


async def try_out(connection: Connection, part: Part) -> None:
    """Starts `part` as a `Link` would, sends a message to the broker and back, and stops it. Raises what the broker
    refuses, or what a broken connection raises (`LOST`).

    Its channels stay open until the connection is closed.
    """
    lost: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    def lose(cause: Exception) -> None:
        if not lost.done():
            lost.set_result(cause)

    async def start() -> None:
        with cancellation_as_loss():
            await part.up(connection, lose)
            await part.probe()

    starting = asyncio.create_task(start())
    ends: list[asyncio.Future[Any]] = [starting, lost]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            raise lost.result()
        await starting
    finally:
        part.down()
        starting.cancel()
        await asyncio.wait([starting])
