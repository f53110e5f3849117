"""Tests that records are written once and chained by hashes."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from bouquet_mesh.outbox.packages import pack
from bouquet_proto import access_record
from bouquet_registry.journal import schema, writer
from bouquet_registry.journal.audit import verify
from bouquet_registry.journal.chain import START, chain
from bouquet_registry.journal.former_pseudonym import former_pseudonym
from bouquet_registry.journal.writer import row_of
from bouquet_registry.store import Store
from tests.registry.accesses import KEY, PERSON, access, ids, tamper, write, write_bodies


def test_the_hash_of_a_record_never_changes() -> None:
    person = former_pseudonym(KEY, PERSON)
    [row] = chain(START, [access(1, cached=True, at=1776254400.25, person=person)])
    assert row.link.hash == "8c65d571b9a8516a18c5b23dabb9e861fcf05035b6d905be3b221737cb60b526"


async def test_a_record_is_read_back_exactly_as_written(store: Store) -> None:
    made = access(
        1, at=1776254400.123456, duration_ms=0.1 + 0.2, code="35003", outcome="failed", status=502, cached=True
    )
    bare = access(2, at=0.0, duration_ms=0.0, person="", regime="", provider="été")
    await write(store, [made, bare])
    async with store.reading() as connection:
        rows = (await connection.execute(select(schema.journal).order_by(schema.journal.c.number))).mappings().all()
    assert [row_of(row).access for row in rows] == [made, bare]
    assert (await verify(store)).head.number == 2


async def test_a_record_that_comes_twice_is_kept_once(store: Store) -> None:
    first = await write(store, [access(1), access(2), access(1)])
    again = await write(store, [access(2), access(3), access(3), access(1)])
    assert (first.records, first.duplicates) == (2, 1)
    assert (again.records, again.duplicates) == (1, 3)
    assert await ids(store) == ["1", "2", "3"]
    assert (await verify(store)).head.number == 3


async def test_concurrent_writers_make_one_chain(store: Store) -> None:
    async def writer(name: int) -> None:
        for turn in range(10):
            await write(
                store, [access(f"{name}.{turn}.{n}") for n in range(5)] + [access(f"{turn}.{n}") for n in range(5)]
            )

    await asyncio.gather(*(writer(name) for name in range(4)))
    assert (await verify(store)).head.number == len(set(await ids(store))) == 4 * 10 * 5 + 10 * 5


@pytest.mark.parametrize(
    "body",
    [
        b"KERVALLAN",
        b"\xff",
        b"{}",
        access_record.encode(access("")),
        access_record.encode(access(1, operation="a\0b")),
        access_record.encode(access(1, trace_id="x" * 300)),
        access_record.encode(access(1, person="not hexadecimal")),
        access_record.encode(access(1, at=1e300)),
        access_record.encode(access(1, status=10**12)),
        msgspec.json.encode({**msgspec.to_builtins(access(1)), "outcome": "an outcome of tomorrow"}),
    ],
)
async def test_an_unreadable_record_is_put_aside_once_and_stops_no_other(store: Store, body: bytes) -> None:
    for n in (7, 8):
        await write_bodies(store, [body, access_record.encode(access(n)), body])
    assert await ids(store) == ["7", "8"]
    async with store.reading() as connection:
        assert list(await connection.scalars(select(schema.aside.c.body))) == [body]


async def test_a_package_put_aside_by_an_older_registry_is_readmitted(
    store: Store,
) -> None:
    [package] = pack([access_record.encode(access(n)) for n in (1, 2, 3)])
    await write_bodies(store, [package])
    assert await ids(store) == []
    assert await writer.readmit(store) == (1, 0)
    assert await ids(store) == ["1", "2", "3"]
    assert (await verify(store)).head.number == 3


async def test_a_record_put_aside_is_readmitted_by_a_newer_registry(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr("bouquet_registry.journal.writer.read", lambda body: None)
        await write(store, [access(1), access(2)])
    await write_bodies(store, [b"still nothing", access_record.encode(access(3)), access_record.encode(access(2))])
    assert await writer.readmit(store) == (2, 1)
    assert await ids(store) == ["3", "2", "1"]
    assert await writer.readmit(store) == (0, 1)
    assert (await verify(store)).head.number == 3


async def test_a_failing_batch_writes_no_record(store: Store) -> None:
    await write(store, [access(1), access(2)])
    await tamper(store, "UPDATE journal SET number = 5 WHERE number = 2")
    with pytest.raises(SQLAlchemyError):
        await write(store, [access(n) for n in range(3, 7)])
    assert await ids(store) == ["1", "2"]


async def test_a_long_batch_delivered_again_is_all_duplicates(store: Store) -> None:
    many = [access(n) for n in range(2000)]
    await write(store, many[:1000])
    assert (await write(store, many)).records == 1000
    assert (await verify(store)).head.number == 2000


async def test_an_empty_batch_writes_nothing(store: Store) -> None:
    assert await writer.write(store, writer.parse_records([])) == writer.WriteResult(0, 0)
    assert await ids(store) == []
