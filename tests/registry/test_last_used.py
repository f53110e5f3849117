"""Tests of the times of tokens' last use: they are written in batches, and none is lost."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from bouquet_registry import last_used
from bouquet_registry.last_used import LastUses
from bouquet_registry.store import Store
from tests.support.clock import DatetimeClock
from tests.support.habilitations import issue_token, read_token


async def test_last_uses_of_many_tokens_are_written_in_one_statement(store: Store, clock: DatetimeClock) -> None:
    noted, unwritten = [await issue_token(store) for _ in range(30)], LastUses(store)
    statements: list[str] = []

    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    for one in noted:
        unwritten.note(one.id, clock())
    event.listen(store._engine.sync_engine, "before_cursor_execute", count)
    await unwritten.write()
    event.remove(store._engine.sync_engine, "before_cursor_execute", count)
    assert sum(statement.startswith("UPDATE tokens") for statement in statements) == 1
    assert {(await read_token(store, one.id)).last_used_at for one in noted} == {clock.now}


async def test_more_last_uses_than_one_transaction_takes_are_all_written(
    store: Store, clock: DatetimeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_used, "MAX_ROWS_PER_TRANSACTION", 2)
    noted, unwritten = [await issue_token(store) for _ in range(5)], LastUses(store)
    for one in noted:
        unwritten.note(one.id, clock())
    await unwritten.write()
    assert [(await read_token(store, one.id)).last_used_at for one in noted] == [clock.now] * 5


async def test_an_older_use_of_a_token_does_not_replace_a_newer_one(store: Store, clock: DatetimeClock) -> None:
    """Tests that the latest use of a token is kept although another registry writes an older use after it."""
    one, mine, theirs = await issue_token(store), LastUses(store), LastUses(store)
    mine.note(one.id, clock())
    theirs.note(one.id, clock() + timedelta(minutes=1))
    await theirs.write()
    await mine.write()
    assert (await read_token(store, one.id)).last_used_at == clock() + timedelta(minutes=1)


async def test_last_uses_are_written_once_the_database_is_back(
    store: Store, clock: DatetimeClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, unwritten = await issue_token(store), LastUses(store)
    unwritten.note(one.id, clock())

    def gone() -> None:
        raise OperationalError("", {}, Exception())

    with monkeypatch.context() as broken, caplog.at_level(logging.WARNING, "bouquet_registry"):
        broken.setattr(store, "writing", gone)
        await unwritten.write()
    assert [record.message for record in caplog.records] == ["last uses of tokens not written"]
    assert (await read_token(store, one.id)).last_used_at is None
    await unwritten.write()
    assert (await read_token(store, one.id)).last_used_at == clock.now


async def test_a_use_noted_during_a_write_is_written_later(
    store: Store, clock: DatetimeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, unwritten, write = await issue_token(store), LastUses(store), LastUses._write
    later = clock() + timedelta(seconds=3)

    async def meanwhile(self: LastUses, some: Any) -> None:
        await write(self, some)
        monkeypatch.undo()
        unwritten.note(one.id, later)

    monkeypatch.setattr(LastUses, "_write", meanwhile)
    unwritten.note(one.id, clock())
    await unwritten.write()
    assert (await read_token(store, one.id)).last_used_at == later
