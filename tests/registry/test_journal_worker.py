"""Tests of the journal writer with a broker: a record is acknowledged only once it is in the database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_mesh.bus.memory import MemoryBus
from bouquet_mesh.outbox.api import Outbox
from bouquet_mesh.outbox.memory import MemoryOutbox
from bouquet_mesh.secret import Secret
from bouquet_proto import access_record
from bouquet_registry.journal.audit import verify
from bouquet_registry.journal.worker import writing
from bouquet_registry.store import Store
from bouquet_registry.worker import registry
from tests.registry.accesses import access, ids


class UnreliableStore(Store):
    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = False
        self.hangs = False
        self.refused = asyncio.Event()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._store.reading() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        if self.away:
            self.refused.set()
            raise OperationalError("KERVALLAN", None, ConnectionRefusedError("KERVALLAN"))
        if self.hangs:
            self.refused.set()
            await asyncio.sleep(3600)
        async with self._store.writing() as connection:
            yield connection


def metric(outcome: str) -> float:
    return REGISTRY.get_sample_value("bouquet_registry_journal_records_total", {"outcome": outcome}) or 0.0


async def send(to: Outbox, *ids_: object) -> None:
    await to.send([access_record.encode(access(id_)) for id_ in ids_])


async def test_a_record_is_acknowledged_once_it_is_written(store: Store) -> None:
    given = MemoryOutbox()
    async with writing(given, store) as journal_writer:
        await send(given, 1, 2, 3)
        assert await ids(store) == ["1", "2", "3"]
        assert journal_writer.writing
    assert not journal_writer.writing
    assert (await verify(store)).head.number == 3


async def test_no_record_is_acknowledged_while_the_database_is_away(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    given, unreliable = MemoryOutbox(), UnreliableStore(store)
    async with writing(given, unreliable):
        unreliable.away = True
        sending = asyncio.create_task(send(given, 1, 2))
        await unreliable.refused.wait()
        assert not sending.done()
        unreliable.away = False
        await sending
    assert await ids(store) == ["1", "2"]
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == [
        "journal write failed, will retry"
    ]
    assert "KERVALLAN" not in caplog.text


async def test_a_write_to_a_hanging_database_times_out_and_is_retried(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, unreliable = MemoryOutbox(), UnreliableStore(store)
    async with writing(given, unreliable):
        unreliable.hangs = True
        monkeypatch.setattr("bouquet_registry.journal.worker.WRITE_TIMEOUT_S", 0.01)
        sending = asyncio.create_task(send(given, 1))
        await unreliable.refused.wait()
        unreliable.hangs = False
        monkeypatch.undo()
        await sending
    assert await ids(store) == ["1"]


async def test_unwritten_records_of_a_stopped_writer_go_to_the_next_one(store: Store) -> None:
    given, unreliable = MemoryOutbox(), UnreliableStore(store)
    unreliable.away = True
    async with writing(given, unreliable):
        sending = asyncio.create_task(send(given, 1))
        await unreliable.refused.wait()
    async with writing(given, store):
        await sending
    assert await ids(store) == ["1"]


async def test_an_unreadable_record_is_logged_without_its_text(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    given, before = MemoryOutbox(), metric("aside")
    async with writing(given, store):
        await given.send([b'{"id": "KERVALLAN"}', access_record.encode(access(1))])
    assert await ids(store) == ["1"]
    assert metric("aside") == before + 1
    assert "unreadable journal record put aside" in caplog.messages
    assert "KERVALLAN" not in str([vars(record) for record in caplog.records])


async def test_journal_metrics_count_records_and_their_lag(store: Store) -> None:
    given, written, known = MemoryOutbox(), metric("written"), metric("duplicate")
    async with writing(given, store):
        await send(given, 1, 2)
        await send(given, 2, 3)
    assert (metric("written"), metric("duplicate")) == (written + 3, known + 1)
    newest = REGISTRY.get_sample_value("bouquet_registry_journal_newest_timestamp_seconds")
    assert newest == access(1).at


async def test_the_embedded_registry_writes_the_gateway_s_records(store: Store, database: Secret) -> None:
    given, environ = MemoryOutbox(), {"BOUQUET_REGISTRY_DATABASE_URL": database.reveal()}
    async with registry.running(MemoryBus(), environ, given):
        await send(given, 1)
    assert await ids(store) == ["1"]
