"""Tests with twenty thousand records: none is lost or doubled while broker, database and writer are killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from bouquet_mesh.outbox.api import MAX_BATCH_RECORDS, NotSent, Outbox
from bouquet_mesh.outbox.open import open_outbox
from bouquet_mesh.secret import Secret
from bouquet_proto import access_record
from bouquet_registry.journal.audit import BrokenChain, read_ends, verify
from bouquet_registry.store import Store, open_store, upgrade
from tests.registry.accesses import access, ids, tamper
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, running_command
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import until

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(300)]

WITHIN_S = 240.0


class Sender:
    """Sender of access records that repeats all records not confirmed by the broker, as a gateway does."""

    def __init__(self, total: int) -> None:
        self.names = [str(number) for number in range(total)]
        self.given = 0
        self.sent = 0
        self.refusals = 0

    async def send_all(self, outbox: Outbox) -> None:
        for begin in range(0, len(self.names), MAX_BATCH_RECORDS):
            while self.given <= begin:  # noqa: ASYNC110 - it counts
                await asyncio.sleep(0.02)
            await self._send(
                outbox, [access_record.encode(access(name)) for name in self.names[begin : begin + MAX_BATCH_RECORDS]]
            )

    async def _send(self, outbox: Outbox, bodies: Sequence[bytes]) -> None:
        while True:
            try:
                await outbox.send(bodies)
            except NotSent:
                self.refusals += 1
                await asyncio.sleep(0.2)
            else:
                self.sent += len(bodies)
                return

    async def has_sent_all(self) -> None:
        await until(lambda: self.sent >= self.given, within_s=WITHIN_S)

    async def is_refused(self) -> None:
        refusals = self.refusals
        await until(lambda: self.refusals > refusals)


class Reader:
    def __init__(self, store: Store) -> None:
        self.store = store

    async def written(self) -> int:
        try:
            return (await read_ends(self.store)).head.number
        except (SQLAlchemyError, OSError):
            return 0

    async def has_written(self, number: int) -> None:
        async with asyncio.timeout(WITHIN_S):
            while await self.written() < number:  # noqa: ASYNC110 - another process counts
                await asyncio.sleep(0.05)

    async def expects(self, names: Sequence[str]) -> None:
        """Asserts that the journal has exactly the records `names`, each once. Then changes record 777, and asserts
        that verification reports the change."""
        await self.has_written(len(names))
        assert (await verify(self.store)).head.number == len(names)
        assert sorted(await ids(self.store)) == sorted(names)
        await tamper(self.store, "UPDATE journal SET outcome = 'refused' WHERE number = 777")
        with pytest.raises(BrokenChain, match=r"^record 777 was changed$"):
            await verify(self.store)


class Scene:
    def __init__(self, sender: Sender, reader: Reader, stack: AsyncExitStack, environ: Mapping[str, str]) -> None:
        self.sender = sender
        self.reader = reader
        self._stack = stack
        self._environ = environ
        self.worker: Process

    async def start_worker(self) -> None:
        command = ("bouquet-registry", "journal", "serve")
        self.worker = await self._stack.enter_async_context(running_command(self._environ, *command))
        await self.worker.until_logged("journal started", within_s=60)


@asynccontextmanager
async def scene(bus_url: str, database: Secret, total: int) -> AsyncIterator[Scene]:
    await upgrade(database)
    environ = {
        "BOUQUET_BUS_URL": bus_url,
        "BOUQUET_REGISTRY_DATABASE_URL": database.reveal(),
        "BOUQUET_REGISTRY_PORT": "0",
    }
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(database))
        outbox = await stack.enter_async_context(open_outbox(bus_url, "gateway"))
        made = Scene(Sender(total), Reader(store), stack, environ)
        await made.start_worker()  # it declares the queue
        sending = asyncio.create_task(made.sender.send_all(outbox))
        stack.callback(sending.cancel)
        yield made
        assert sending.done()


async def test_no_record_is_lost_when_broker_and_database_are_killed(
    rabbit: RabbitNode, postgres_server: PostgresServer
) -> None:
    total = 20_000
    async with scene(rabbit.vhost(), Secret(postgres_server.database()), total) as made:
        await asyncio.to_thread(rabbit.settle)
        made.sender.given = 4_000
        await made.sender.has_sent_all()
        made.sender.given = 10_000  # some are under way as the broker dies
        await asyncio.to_thread(rabbit.kill)
        made.sender.given = 12_000  # and others come while it is dead
        await made.sender.is_refused()
        await asyncio.to_thread(rabbit.start)
        await made.reader.has_written(8_000)
        await asyncio.to_thread(postgres_server.restart)
        await made.sender.has_sent_all()
        await asyncio.to_thread(postgres_server.kill)
        made.sender.given = total
        await made.worker.until_logged("journal write failed, will retry")
        await asyncio.to_thread(rabbit.restart)
        await asyncio.to_thread(postgres_server.start)
        await made.reader.expects(made.sender.names)


async def test_no_record_is_lost_when_the_journal_writer_is_killed(broker_url: str, tmp_path: Path) -> None:
    total = 20_000
    async with scene(broker_url, Secret(f"sqlite:///{tmp_path}/registry.db"), total) as made:
        for given in (5_000, 10_000, total):
            made.sender.given = given
            await made.reader.has_written(given - 5_000 + 1)
            await made.worker.kill()
            await made.start_worker()
        await made.reader.expects(made.sender.names)
