"""Tests that frequent queries of a long journal use its indexes, according to the query plans of PostgreSQL and
SQLite."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Delete, Dialect, Select, literal_column, select

from bouquet_mesh.secret import Secret
from bouquet_registry.api.pages import cursor_of
from bouquet_registry.api.records import JOURNAL
from bouquet_registry.journal import audit, queries, rollups, schema
from bouquet_registry.journal.schema import found_people, journal
from bouquet_registry.store import Store, open_store, upgrade
from tests.support.postgres import PostgresServer

ROWS = 100_000
A_YEAR = 365
FILL = f"""
    INSERT INTO journal SELECT i, md5(i::text), i * {A_YEAR * queries.DAY_S / ROWS}, 'found', 200, '',
        'dss.quotient_familial.v4', (i % 500)::text, 'token', '13002526500013', 'cnaf', 'CNAF', false, 12.5,
        md5(i::text), sha256((i % {ROWS // 10})::text::bytea), '2026',
        sha256(i::text::bytea), sha256((i + 1)::text::bytea), '', md5((i + 1)::text),
        sha256((i % {ROWS // 10})::text::bytea)
    FROM generate_series(1, {ROWS}) AS i
"""
FILL_FOUND = f"""
    INSERT INTO journal_found SELECT i, i % {ROWS // 10} FROM generate_series(1, {ROWS}) AS i
"""
FILL_HOURS = f"""
    INSERT INTO journal_hours SELECT (i % 500)::text, i * 24 * {A_YEAR} / {ROWS}, 'token', 'dss.quotient_familial.v4',
        'found', '', 100, 1250
    FROM generate_series(1, {ROWS}) AS i
"""
FILL_DAYS = f"""
    INSERT INTO journal_days SELECT (i % 500)::text, i / 500, 'dss.quotient_familial.v4', 90, 95
    FROM generate_series(1, {ROWS}) AS i
"""


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> str:
    return postgres_server.database()


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    # A short journal would not show which queries use indexes.
    await upgrade(Secret(database))
    async with open_store(Secret(database)) as opened:
        async with opened.writing() as connection:
            if not await connection.scalar(select(journal.c.number).limit(1)):
                await connection.exec_driver_sql(FILL)
                for fill in (FILL_FOUND, FILL_HOURS, FILL_DAYS):
                    await connection.exec_driver_sql(fill)
                await connection.exec_driver_sql("ANALYZE")
        yield opened


def months(number: int) -> tuple[datetime, datetime]:
    """Returns the beginning and the end of the last `number` months in the year of records. A month has 30 days."""
    return at_day(A_YEAR - 30 * number), at_day(A_YEAR)


def at_day(day: int) -> datetime:
    return datetime.fromtimestamp(day * queries.DAY_S, UTC)


MID_YEAR = cursor_of((A_YEAR / 2 * queries.DAY_S, ROWS // 2))
PAGES: dict[str, Select[Any]] = {
    f"calls by {name}, {period}": queries._examined(equal, since, until, after)
    for name, equal in {
        "habilitation": {"habilitation": "7"},
        "request id": {"request_id": "8d1f7e9e"},
        "time": {},
    }.items()
    for period, since, until, after in (
        ("all", None, None, None),
        ("two months", *months(2), None),
        ("a cursor", None, None, JOURNAL.after(MID_YEAR)),
    )
}
"""Queries that find the journal records for one page of a list of calls. The key describes the query."""


PEOPLE: list[ColumnElement[Any]] = [literal_column(f"'\\x{number:064x}'::bytea") for number in range(100)]
QUESTIONS: dict[str, Select[Any] | Delete] = {
    "who read of one person": select(journal.c.at, journal.c.outcome).where(journal.c.person.in_(PEOPLE)),
    "whose answers named one person": queries._calls_that_found([f"{number:064x}" for number in range(100)]),
    "a request by its id": select(journal.c.at).where(journal.c.request_id == "8d1f7e9e"),
    "who was found in a piece to verify": select(found_people).where(found_people.c.number.between(50_000, 52_000)),
    "calls of a habilitation": queries._counted(*months(12), "7"),
    "justificatifs of a habilitation": queries._avoided(*months(12), "7"),
    "calls of a month": queries._counted(*months(1), None),
    "justificatifs of a month": queries._avoided(*months(1), None),
    "calls to roll up": rollups._calls_by_hour(journal.c.number.between(50_000, 52_000)),
    "people to roll up": rollups._people_by_day(journal.c.number.between(50_000, 52_000)),
    **PAGES,
    "a piece to verify": select(journal).where(journal.c.number > 50_000).order_by(journal.c.number).limit(2000),
    "the highest number": select(journal.c.number).order_by(journal.c.number.desc()).limit(1),
    "a piece to prune": journal.delete().where(journal.c.number <= audit.ROWS_PER_READ),
    "an id that came twice": select(journal.c.id).where(journal.c.id.in_(["a", "b"])),
}


TABLES = (schema.journal, schema.hours, schema.days)


def sql_of(query: Select[Any] | Delete, dialect: Dialect) -> str:
    return str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


@pytest.mark.broker
@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_frequent_query_uses_an_index_of_the_journal(store: Store, question: str) -> None:
    async with store.reading() as connection:
        sql = sql_of(QUESTIONS[question], connection.dialect)
        plan = "\n".join(row[0] for row in await connection.exec_driver_sql(f"EXPLAIN {sql}"))
    assert "Index" in plan
    assert not [table.name for table in TABLES if re.search(rf"Seq Scan on {table.name}\b", plan)]


@pytest.mark.broker
@pytest.mark.parametrize("page", PAGES)
async def test_a_page_of_calls_reads_at_most_10_000_records(store: Store, page: str) -> None:
    async with store.reading() as connection:
        sql = sql_of(PAGES[page], connection.dialect)
        [[[plan]]] = (await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")).all()
    nodes = [plan["Plan"]]
    read = 0
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if "Index Name" in node:
            read = max(read, node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
    # A few more: those of the same moment, which the last column sorts.
    assert read <= queries.MAX_EXAMINED + 100


@pytest.mark.parametrize("question", [name for name in QUESTIONS if name.startswith(("calls", "justif"))])
async def test_sqlite_finds_calls_and_counts_by_an_index(sqlite: Store, question: str) -> None:
    async with sqlite.reading() as connection:
        sql = sql_of(QUESTIONS[question], connection.dialect)
        plan = [row.detail for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
    read = [step for step in plan if re.match(r"(SCAN|SEARCH) journal", step)]
    assert read
    assert all("INDEX" in step for step in read), plan
    if question in PAGES and "request id" not in question:  # one request id has few records
        assert not [step for step in plan if "TEMP B-TREE FOR ORDER BY" in step]
    assert question == "calls by time, all" or all(step.startswith("SEARCH") for step in read), plan


async def test_sqlite_rolls_people_up_by_the_index_of_people(sqlite: Store) -> None:
    async with sqlite.reading() as connection:
        query = rollups._people_by_day(journal.c.number.between(50_000, 52_000))
        sql = str(query.compile(dialect=connection.dialect))
        values = (0,) * sql.count("?")
        plan = [row.detail for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
    earlier = [step for step in plan if step.startswith("SEARCH before")]
    assert earlier
    assert all("journal_of_person (person=? AND at>? AND at<?)" in step for step in earlier), plan
