"""Tests of the PostgreSQL roles of the registry and the journal's writer: each has only the rights that its process
needs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_registry import changes, notices
from bouquet_registry.gauges import count
from bouquet_registry.journal.audit import prune, verify
from bouquet_registry.journal.entries import state_of
from bouquet_registry.journal.rollups import roll_up
from bouquet_registry.last_used import LastUses
from bouquet_registry.roles import Roles
from bouquet_registry.store import Store, open_store, upgrade
from tests.registry.accesses import access, tamper, write
from tests.registry.api_client import api_client
from tests.registry.datapass_client import datapass_client
from tests.registry.datapass_events import v1
from tests.support.clock import DatetimeClock
from tests.support.editors import create_editor, delegate, issue_editor_token, withdraw
from tests.support.habilitations import change_habilitation, habilitation_of, issue_token
from tests.support.notices import NoticeRecorder
from tests.support.postgres import PostgresServer
from tests.support.registry_roles import ROLES, as_role

pytestmark = pytest.mark.broker

REFUSED_TO_THE_JOURNAL = {
    "a change of a record": "UPDATE journal SET outcome = 'not_found'",
    "a removal": "DELETE FROM journal",
    "a removal of whom an answer named": "DELETE FROM journal_found",
    "another person in an answer's place": "UPDATE journal_found SET prefix = 1",
    "a truncation": "TRUNCATE journal",
    "a removal of a count": "DELETE FROM journal_hours",
    "a pruning that was none": "UPDATE journal_head SET pruned_number = 3",
    "a pruning told of by another record": "UPDATE journal_head SET pruning = 3",
    "a look at the tokens": "SELECT * FROM tokens",
    "an act": "INSERT INTO acts VALUES ('1', now(), 'a', 'a', 'a', 'a')",
}
REFUSED_TO_THE_API = {
    "a look at whom calls asked about": "SELECT person FROM journal",
    "a look at whom answers named": "SELECT found FROM journal",
    "a count that was never counted": "UPDATE journal_hours SET calls = 0",
    "a look at the index of whom answers named": "SELECT * FROM journal_found",
    "a record of its own": "INSERT INTO journal (number) VALUES (1)",
    "a removal from the journal": "DELETE FROM journal",
    "a change of an act": "UPDATE acts SET author = 'somebody else'",
    "a removal of an act": "DELETE FROM acts",
    "an event that DataPass did not send": "DELETE FROM events",
    "a token that never was": "DELETE FROM tokens",
    "a proof that is valid again": "DELETE FROM revoked_proofs",
}
REFUSED_TO_THE_REGISTRY = {
    "a look at the journal": "SELECT * FROM journal",
    "a look at whom answers named": "SELECT * FROM journal_found",
    "a removal from the journal": "DELETE FROM journal",
    "a record of its own": "INSERT INTO journal (number) VALUES (1)",
    "a journal that is begun anew": "UPDATE journal_head SET number = 0",
    "a change of an act": "UPDATE acts SET author = 'somebody else'",
    "a removal of an act": "DELETE FROM acts",
    "a habilitation that never was": "DELETE FROM habilitations",
    "a delegation that never was": "DELETE FROM delegations",
    "a proof that it revokes": "INSERT INTO revoked_proofs (record) VALUES ('1')",
    "other tables": "ALTER TABLE acts DROP COLUMN author",
}


@pytest.fixture
async def url(postgres_server: PostgresServer, postgres_with_tables: str) -> str:
    """Creates the registry's tables, and for each process a PostgreSQL role with the rights that the process needs.
    Returns the URL with which the owner of the tables connects."""
    url = postgres_server.database(like=postgres_with_tables)
    async with open_store(Secret(url)) as owner, owner.writing() as connection:
        for role in (ROLES.registry, ROLES.journal, ROLES.api):
            if not await connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}):
                await connection.execute(text(f"CREATE ROLE {role} LOGIN"))
    await upgrade(Secret(url), ROLES)
    return url


@pytest.fixture
async def owner(url: str) -> AsyncIterator[Store]:
    async with open_store(Secret(url)) as store:
        yield store


@pytest.fixture
async def journal(url: str) -> AsyncIterator[Store]:
    async with open_store(as_role(ROLES.journal, url)) as store:
        yield store


@pytest.fixture
async def registry(url: str) -> AsyncIterator[Store]:
    async with open_store(as_role(ROLES.registry, url)) as store:
        yield store


async def test_the_writer_of_the_journal_adds_records(owner: Store, journal: Store) -> None:
    await write(journal, [access(n) for n in range(1, 6)])
    await write(journal, [access(5), access(6)])  # a duplicate is left out as the owner leaves it out
    assert (await verify(owner)).head.number == 6
    assert await roll_up(journal) == 6
    async with journal.reading() as connection:
        assert await state_of(connection, "0" * 32) == "absent"


@pytest.mark.parametrize("attempt", REFUSED_TO_THE_JOURNAL)
async def test_the_journal_role_may_only_add_records(attempt: str, journal: Store) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        await tamper(journal, REFUSED_TO_THE_JOURNAL[attempt])


async def test_the_writer_of_the_journal_does_not_prune_it(owner: Store, journal: Store) -> None:
    await write(journal, [access(1)])
    with pytest.raises(DBAPIError, match="permission denied"):
        await prune(journal, 1e12)
    assert (await verify(owner)).head.number == 1


async def test_the_registry_role_suffices_for_the_registry(registry: Store) -> None:
    clock, recorder = DatetimeClock(), NoticeRecorder()
    made = await issue_token(registry, clock)
    await change_habilitation(registry, made, clock, name="VILLE")
    clock.advance(days=530)
    await notices.send_due_notices(registry, recorder, clock)
    assert recorder.given
    editor = await create_editor(registry, clock)
    token = await issue_editor_token(registry, editor, clock)
    [given] = await delegate(registry, editor, await habilitation_of(registry, made), clock=clock)
    await withdraw(registry, given, clock)
    uses = LastUses(registry)
    uses.note(token.id, clock())
    uses.note(made.id, clock())
    await uses.write()
    await count(registry, clock())
    async with registry.reading() as connection:
        find_token, _ = await changes.find_token(connection, made.id, refuses_withdrawn=False)
    assert find_token


async def test_the_registry_role_suffices_for_datapass_events(registry: Store) -> None:
    clock = DatetimeClock()
    async with datapass_client(registry, clock) as datapass:
        assert await datapass.approves()
        status, _ = await datapass.tells(v1("revoke", datapass.now))
        assert status == 200
        assert (await datapass.habilitation()).state == "revoked"


@pytest.mark.parametrize("attempt", REFUSED_TO_THE_REGISTRY)
async def test_the_registry_may_neither_read_the_journal_nor_change_the_past(attempt: str, registry: Store) -> None:
    with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
        await tamper(registry, REFUSED_TO_THE_REGISTRY[attempt])


async def test_migrate_revokes_the_former_rights_of_a_role(url: str, owner: Store) -> None:
    await tamper(owner, f"GRANT DELETE ON journal TO {ROLES.journal}")
    await upgrade(Secret(url), ROLES)
    async with open_store(as_role(ROLES.journal, url)) as journal:
        with pytest.raises(DBAPIError, match="permission denied"):
            await tamper(journal, "DELETE FROM journal")


@pytest.mark.parametrize("role", ["nobody_of_ours", "x; DROP TABLE tokens"])
async def test_an_unknown_role_is_a_settings_error(role: str, url: str) -> None:
    with pytest.raises(SettingsError, match="role"):
        await upgrade(Secret(url), Roles(registry=role))


@pytest.mark.parametrize("attempt", REFUSED_TO_THE_API)
async def test_the_api_may_neither_change_the_past_nor_read_whom_answers_named(attempt: str, url: str) -> None:
    async with open_store(as_role(ROLES.api, url)) as api:
        with pytest.raises(DBAPIError, match="permission denied"):
            await tamper(api, REFUSED_TO_THE_API[attempt])


async def test_the_api_role_suffices_for_every_route(url: str, owner: Store) -> None:
    token = await issue_token(owner)
    await write(owner, [access(1, habilitation=token.habilitation, token=token.id)])
    period = {"since": "1970-01-01T00:00:00Z", "until": "1970-01-02T00:00:00Z"}
    async with open_store(as_role(ROLES.api, url)) as store, api_client(store) as api:
        made = (await api.act("POST", "/habilitations", siret=token.siret)).json["id"]
        answers = [
            await api.act("PATCH", f"/habilitations/{made}", version=1, purpose="Cantine"),
            await api.act("POST", f"/habilitations/{made}/tokens"),
            await api.act("POST", f"/tokens/{token.id}/text"),
            await api.act("POST", f"/tokens/{token.id}/revoke", version=1),
            await api.get("/journal", habilitation=token.habilitation),
            await api.get("/statistics", habilitation=token.habilitation, **period),
            *[await api.get(path) for path in ("/habilitations", "/tokens", "/notices", "/datapass-events", "/acts")],
        ]
    assert [answer.json for answer in answers if answer.status >= 400] == []
