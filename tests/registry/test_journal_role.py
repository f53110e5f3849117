"""The role that writes the journal can add records, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from bouquet_mesh.secret import Secret
from bouquet_registry.journal.audit import prune, verify
from bouquet_registry.store import Store, open_store, upgrade
from tests.registry.accesses import PSEUDONYM, access, tamper, write
from tests.support.postgres import PostgresServer

RIGHTS = Path(__file__).parents[2] / "deploy" / "postgresql" / "journal_writer.sql"
WRITER = "bouquet_journal"
FORBIDDEN = {
    "a change of a record": "UPDATE journal SET outcome = 'not_found'",
    "a removal": "DELETE FROM journal",
    "a removal of who was found": "DELETE FROM journal_found",
    "a truncation": "TRUNCATE journal",
    "a pruning that was none": "UPDATE journal_head SET pruned_number = 3",
    "a pruning told of by another record": "UPDATE journal_head SET pruning = 3",
    "a look at the tokens": "SELECT * FROM tokens",
    "an act": "INSERT INTO acts VALUES ('1', now(), 'a', 'a', 'a', 'a')",
}


async def granted(owner: Store) -> None:
    rights = [line for line in RIGHTS.read_text(encoding="utf-8").splitlines() if not line.startswith("--")]
    exists = "SELECT 1 FROM pg_roles WHERE rolname = :name"
    async with owner.writing() as connection:
        if not await connection.scalar(text(exists), {"name": WRITER}):
            await connection.execute(text(f"CREATE ROLE {WRITER} LOGIN"))
    await tamper(owner, *(line.replace(':"writer"', WRITER) for line in rights))


@pytest.mark.broker
async def test_the_writer_of_the_journal_adds_records_and_may_do_nothing_else(postgres_server: PostgresServer) -> None:
    url = postgres_server.database()
    await upgrade(Secret(url))
    theirs = make_url(url).set(username=WRITER).render_as_string(hide_password=False)
    async with open_store(Secret(url)) as owner:
        await granted(owner)
        async with open_store(Secret(theirs)) as writer:
            await write(writer, [access(n, found=(PSEUDONYM,)) for n in range(1, 6)])
            await write(writer, [access(5), access(6)])  # a duplicate is left out as the owner leaves it out
            for statement in FORBIDDEN.values():
                with pytest.raises(DBAPIError, match="permission denied"):
                    await tamper(writer, statement)
            with pytest.raises(DBAPIError, match="permission denied"):
                await prune(writer, 1e12)
        assert (await verify(owner)).head.number == 6
