"""A connection to the broker that comes back: made, watched, and rebuilt whole after any loss (docs/adr/0002)."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import NoReturn, Protocol

import aio_pika
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPError
from aiormq.exceptions import ChannelAccessRefused
from prometheus_client import Gauge

from bouquet_mesh.amqp.wire import Connection
from bouquet_mesh.backoff import pause_s
from bouquet_mesh.observe import metrics
from bouquet_mesh.secret import Secret
from bouquet_mesh.tasks import alongside
from bouquet_mesh.tls.context import trouble_of, verified
from bouquet_proto.names import MESH_PREFIX

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
SETUP_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 2.5
FIRST_RETRY_S = 0.2
LAST_RETRY_S = 5.0
STEADY_S = 10.0
"""A connection that lasted less is one more failure, so that one lost again and again is not made again and again."""
HEARTBEAT_S = 5
"""Two or three of them, and the broker gives a silent connection up with its consumers (docs/faults.md)."""
PROBE_EVERY_S = 1.0
SILENCE_S = 3.0
"""A broker that takes longer to give a message back does not respond."""
SILENCES = 2
"""So many and the connection is made anew, long before its heartbeat would tell."""

REFUSED = re.compile(r"((?:\w+ )?access to \w+) '(.+?)(?:\.[0-9a-f]{16})?' in vhost")
"""The broker's words to a user without a right. Reply queues have other names each time."""

LOST = (*CONNECTION_EXCEPTIONS, AMQPError, OSError, TimeoutError, RuntimeError)
"""What a broken connection raises, whichever layer notices first (aiormq says RuntimeError of a closed one)."""


class Lose(Protocol):
    """Says that a connection, or something on it, is gone. Made to be a callback of aio-pika's and aiormq's."""

    def __call__(self, gone: object, cause: object = None, /) -> None: ...


class Part(Protocol):
    """What a process does on its connection; made anew each time the connection is."""

    async def up(self, connection: Connection, lose: Lose) -> None: ...

    async def probe(self) -> None:
        """Returns when a message has gone to the broker and come back; raises what a broken connection raises."""

    def down(self) -> None: ...


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
                with cancelled_by_us_alone():
                    await self._live()
            except Exception as error:  # whatever it was, the only cure is to connect again
                trouble = _refusal(error) or trouble_of(error) or type(error).__name__
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
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await aio_pika.connect(
                self._url,
                connection_class=Connection,
                client_properties={"connection_name": self._name},
                heartbeat=HEARTBEAT_S,
            )
            assert isinstance(connection, Connection)
        log.info("broker connected", extra={"connection": self._name})
        self._gauge.set(1)
        self.connected = True
        self.settled.clear()
        try:
            await self._tend(connection)
        finally:
            self.connected = self._is_heard = self._is_silent = False
            self._gauge.set(0)
            for part in self._parts:
                part.down()
            self.settled.set()
            async with leaving():
                await connection.close()

    async def _tend(self, connection: Connection) -> NoReturn:
        news = self._news = asyncio.Queue()
        for part in self._parts:
            news.put_nowait(part)

        def lose(_: object, cause: object = None, /) -> None:
            news.put_nowait(cause if isinstance(cause, Exception) else ConnectionResetError())

        connection.close_callbacks.add(lose)
        watching: asyncio.Task[None] | None = None
        try:
            while True:
                if news.empty() and watching is None:
                    watching = asyncio.create_task(self._watch(connection, lose))
                elif news.empty():
                    self.settled.set()
                match await news.get():
                    case Exception() as cause:
                        raise cause
                    case None:
                        continue
                    case part if part in self._parts:
                        async with asyncio.timeout(SETUP_TIMEOUT_S):
                            await part.up(connection, lose)
        finally:
            if watching is not None:
                watching.cancel()

    async def _watch(self, connection: Connection, lose: Lose) -> None:
        """Sends messages round, until none comes back."""
        while await self._responds(connection):
            self._hear(True)
            await asyncio.sleep(PROBE_EVERY_S)
        lose(connection, TimeoutError())

    async def _responds(self, connection: Connection) -> bool:
        """False of a broker that stays silent; one that has said it is short of memory or disk is waited for."""
        round_trip = asyncio.create_task(self._round_trip())  # not in a timeout: aiormq closes a channel so cancelled
        silences = 0
        try:
            while not (await asyncio.wait([round_trip], timeout=SILENCE_S))[0]:
                self._hear(False)
                silences += not await _is_blocked(connection)
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


def _refusal(error: Exception) -> str:
    """Which right the broker's user lacks: `no write access to exchange bouquet.replies`. Empty if that is not it."""
    refused = REFUSED.search(str(error)) if isinstance(error, ChannelAccessRefused) else None
    return "no {} {}".format(*refused.groups()) if refused else ""


async def _is_blocked(connection: Connection) -> bool:
    """All that aiormq tells of it is an event that is not set."""
    assert connection.transport
    try:
        async with asyncio.timeout(0.01):
            await connection.transport.ready()
    except TimeoutError:
        return True
    return False


@asynccontextmanager
async def leaving() -> AsyncIterator[None]:
    """Goodbyes to the broker: not for long, and no matter if it has gone."""
    with suppress(*LOST), cancelled_by_us_alone():
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            yield


@contextmanager
def cancelled_by_us_alone() -> Iterator[None]:
    """aiormq may wake those who wait on what it closes with CancelledError: for them that is a loss, not an order."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionResetError from None
