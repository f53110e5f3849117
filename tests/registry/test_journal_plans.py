"""Tests that frequent queries of a long journal use its indexes, according to PostgreSQL's query plans."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Delete, Select, literal_column, select
from sqlalchemy.dialects import postgresql

from bouquet_mesh.secret import Secret
from bouquet_registry.journal import audit, queries, schema
from bouquet_registry.journal.schema import found_index, journal
from bouquet_registry.store import Store, open_store, upgrade
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.broker

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


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> str:
    return postgres_server.database()


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    """Yields a store whose journal has a year of records."""
    # A short journal would not show which queries use indexes.
    await upgrade(Secret(database))
    async with open_store(Secret(database)) as opened:
        async with opened.writing() as connection:
            if not await connection.scalar(select(journal.c.number).limit(1)):
                await connection.exec_driver_sql(FILL)
                await connection.exec_driver_sql(FILL_FOUND)
                await connection.exec_driver_sql("ANALYZE")
        yield opened


def days(first: int, last: int) -> ColumnElement[bool]:
    return journal.c.at.between(first * queries.DAY_S, last * queries.DAY_S)


PEOPLE: list[ColumnElement[Any]] = [literal_column(f"'\\x{number:064x}'::bytea") for number in range(100)]
QUESTIONS: dict[str, Select[Any] | Delete] = {
    "who read of one person": select(journal.c.at, journal.c.outcome).where(journal.c.person.in_(PEOPLE)),
    "whose answers named one person": queries._calls_that_found([f"{number:064x}" for number in range(100)]),
    "a request by its id": select(journal.c.at).where(journal.c.request_id == "8d1f7e9e"),
    "who was found in a piece to verify": select(found_index).where(found_index.c.number.between(50_000, 52_000)),
    "calls of two months": queries._counted(days(A_YEAR - 60, A_YEAR)),
    "justificatifs of two months": queries._avoided(days(A_YEAR - 60, A_YEAR)),
    "calls of a habilitation": queries._counted(days(A_YEAR - 60, A_YEAR) & (journal.c.habilitation == "7")),
    "justificatifs of a habilitation": queries._avoided(days(A_YEAR - 60, A_YEAR) & (journal.c.habilitation == "7")),
    "a piece to verify": select(journal).where(journal.c.number > 50_000).order_by(journal.c.number).limit(2000),
    "the highest number": select(journal.c.number).order_by(journal.c.number.desc()).limit(1),
    "a piece to prune": journal.delete().where(journal.c.number <= audit.ROWS_PER_READ),
    "an id that came twice": select(journal.c.id).where(journal.c.id.in_(["a", "b"])),
}


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_frequent_query_uses_an_index_of_the_journal(store: Store, question: str) -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    text = QUESTIONS[question].compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    async with store.reading() as connection:
        plan = "\n".join(row[0] for row in await connection.exec_driver_sql(f"EXPLAIN {text}"))
    assert "Index" in plan
    assert f"Seq Scan on {schema.journal.name}" not in plan
