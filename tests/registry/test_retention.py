"""Tests that the journal's writer removes the records whose retention is over, and no others."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import astuple
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_registry.journal import retention
from bouquet_registry.journal.audit import verify
from bouquet_registry.journal.retention import prune_expired, prune_periodically
from bouquet_registry.refusals import RefusalError
from bouquet_registry.store import Store, open_store, upgrade
from bouquet_registry.worker import registry
from tests.registry.accesses import access, ids, tamper, write
from tests.support.clock import DatetimeClock
from tests.support.postgres import PostgresServer
from tests.support.registry_roles import ROLES, as_role
from tests.support.waiting import TEST_TIMEOUT_S

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
MONTHS = 36
DAYS = (timedelta(days=1200), timedelta(days=1199), timedelta(days=1097), timedelta(days=1000), timedelta(0))
"""Ages of the records. The first three have been kept for more than `MONTHS` months, the others for less."""


async def fill(store: Store, now: datetime) -> None:
    await write(store, [access(n, at=(now - age).timestamp(), found=(64 * "a",)) for n, age in enumerate(DAYS)])


async def test_records_are_removed_day_by_day_when_their_retention_is_over(store: Store) -> None:
    await fill(store, NOW)
    assert await prune_expired(store, MONTHS, NOW) == 3
    verified = await verify(store)
    assert [row.access.pruned_to.partition(":")[0] for row in verified.prunings] == ["1", "2", "3"]
    assert set(await ids(store)) >= {"3", "4"}
    assert await prune_expired(store, MONTHS, NOW) == 0


async def test_a_record_is_kept_until_the_day_of_its_retention_is_over(store: Store) -> None:
    await write(store, [access(1, at=datetime(2023, 11, 30, 0, 1, tzinfo=UTC).timestamp())])
    assert await prune_expired(store, MONTHS, NOW) == 0
    assert await prune_expired(store, MONTHS, NOW + timedelta(days=1)) == 1


async def test_a_changed_record_is_not_removed_and_the_failure_is_in_a_metric(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PRUNE_INTERVAL_S", 0.05)
    await fill(store, NOW)
    await tamper(store, "UPDATE journal SET status = 404 WHERE number = 2")
    pruning = asyncio.create_task(prune_periodically(store, MONTHS, DatetimeClock(NOW)))
    await until_failed(1)
    assert (await ids(store))[:4] == ["1", "2", "3", "4"]
    await tamper(store, "UPDATE journal SET status = 200 WHERE number = 2")
    await until_failed(0)
    pruning.cancel()
    await asyncio.gather(pruning, return_exceptions=True)
    assert not {"0", "1", "2"} & set(await ids(store))
    await verify(store)


async def until_failed(value: float) -> None:
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while REGISTRY.get_sample_value("bouquet_registry_journal_pruning_failed") != value:  # noqa: ASYNC110 - a gauge signals no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("months", ["-1", "1201", "three"])
def test_a_retention_that_is_no_number_of_months_is_a_settings_error(months: str) -> None:
    with pytest.raises(SettingsError, match="JOURNAL_KEEP_MONTHS"):
        registry.settings({"BOUQUET_REGISTRY_JOURNAL_KEEP_MONTHS": months})


@pytest.mark.broker
async def test_the_writers_role_removes_expired_records_and_no_others(postgres_server: PostgresServer) -> None:
    url, now = postgres_server.database(), datetime.now(UTC)
    await migrate(url, MONTHS)
    async with open_store(Secret(url)) as owner, open_store(as_role(ROLES.journal, url)) as writer:
        await fill(writer, now)
        assert await prune_expired(writer, MONTHS, now) == 3
        await verify(owner)
        await tamper(writer, "DELETE FROM journal", "DELETE FROM journal_found")
        assert set(await ids(owner)) >= {"3", "4"}
        await verify(owner)
        with pytest.raises(DBAPIError, match="permission denied"):
            await tamper(writer, "TRUNCATE journal")


@pytest.mark.broker
async def test_a_retention_shorter_than_that_of_migrate_removes_nothing(postgres_server: PostgresServer) -> None:
    url, now = postgres_server.database(), datetime.now(UTC)
    await migrate(url, 120)
    async with open_store(Secret(url)) as owner, open_store(as_role(ROLES.journal, url)) as writer:
        await fill(writer, now)
        with pytest.raises(RefusalError, match="KEEP_MONTHS"):
            await prune_expired(writer, MONTHS, now)
        assert set(await ids(owner)) >= {"0", "1", "2", "3", "4"}
        await verify(owner)


@pytest.mark.broker
async def test_migrate_changes_or_withdraws_the_right_to_remove_records(postgres_server: PostgresServer) -> None:
    url, now = postgres_server.database(), datetime.now(UTC)
    await migrate(url, 120)
    await migrate(url, MONTHS)
    async with open_store(as_role(ROLES.journal, url)) as writer:
        await fill(writer, now)
        assert await prune_expired(writer, MONTHS, now) == 3
        await migrate(url, 0)
        with pytest.raises(DBAPIError, match="permission denied"):
            await tamper(writer, "DELETE FROM journal")


@pytest.mark.broker
async def test_a_repeated_migration_does_not_wait_for_readers_of_the_journal(postgres_server: PostgresServer) -> None:
    url = postgres_server.database()
    await migrate(url, MONTHS)
    async with open_store(Secret(url)) as owner, owner.reading() as dump:
        await dump.execute(text("SELECT 1 FROM journal, journal_found"))
        async with asyncio.timeout(TEST_TIMEOUT_S):
            await upgrade(Secret(url), ROLES, MONTHS)


@pytest.mark.broker
async def test_the_apis_role_still_reads_records(postgres_server: PostgresServer) -> None:
    url, now = postgres_server.database(), datetime.now(UTC)
    await migrate(url, MONTHS)
    async with open_store(as_role(ROLES.journal, url)) as writer, open_store(as_role(ROLES.api, url)) as api:
        await fill(writer, now)
        assert await ids(api) == ["0", "1", "2", "3", "4"]


async def migrate(url: str, keep_months: int) -> None:
    await upgrade(Secret(url))
    async with open_store(Secret(url)) as owner:
        for role in astuple(ROLES):
            await tamper(
                owner,
                f"DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            )
    await upgrade(Secret(url), ROLES, keep_months)
