"""Tests that the scopes of a habilitation are checked against those that gateways serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bouquet_mesh.secret import Secret
from bouquet_registry import queries, served_scopes
from bouquet_registry.clock import Clock, utc_now
from bouquet_registry.datapass import formats, inbox
from bouquet_registry.datapass.inbox import ReceivedEvent
from bouquet_registry.served_scopes import FORGOTTEN_AFTER, ScopeReports
from bouquet_registry.store import Store, open_store
from tests.registry.api_client import ApiClient, api_client
from tests.registry.datapass_events import v2
from tests.support.administrative_acts import recorded_acts
from tests.support.clock import DatetimeClock
from tests.support.habilitations import SCOPES as MADE_WITH
from tests.support.habilitations import SIRET, create_habilitation
from tests.support.mesh_with_registry import SCOPES, MeshWithRegistry
from tests.support.registry_commands import Run, refused_command


async def known(store: Store) -> list[str]:
    async with store.reading() as connection:
        return [one.scope for one in await served_scopes.served_scopes(connection)]


async def report(store: Store, clock: Clock, *scopes: str) -> None:
    reports = ScopeReports(store, clock)
    reports.note(scopes)
    await reports.write()


@pytest.fixture
async def api(store: Store, clock: DatetimeClock) -> AsyncIterator[ApiClient]:
    async with api_client(store, clock) as client:
        yield client


async def create(api: ApiClient, *scopes: str, **fields: Any) -> Any:
    return await api.act("POST", "/habilitations", siret=SIRET, scopes=list(scopes), **fields)


async def test_gateways_report_the_scopes_of_their_workers_offers(
    here: MeshWithRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    await here.close_registry()
    monkeypatch.setattr(served_scopes, "WRITE_INTERVAL_S", 0.01)
    await here.open_registry()
    await here.start_gateway()
    found: list[str] = []
    while not found:
        found = await known(here.store)
    assert set(SCOPES) <= set(found)


async def test_a_scope_that_no_provider_serves_is_refused_unless_unchecked(
    api: ApiClient, store: Store, clock: DatetimeClock
) -> None:
    await report(store, clock, "a", "b")
    refusal = await create(api, "a", "c", "d")
    assert (refusal.status, refusal.errors) == (422, {("invalid", "scopes[1]"), ("invalid", "scopes[2]")})
    made = (await create(api, "a", "c", unchecked=True)).json
    assert made["scopes"] == ["a", "c"]
    assert {act.act for act in await recorded_acts(store, made["id"])} == {
        "habilitation create",
        "habilitation unchecked scopes",
    }


async def test_a_change_is_checked_for_added_scopes_alone(api: ApiClient, store: Store, clock: DatetimeClock) -> None:
    own = await create_habilitation(store)
    await report(store, clock, "a")
    path = f"/habilitations/{own.id}"
    kept = await api.act("PATCH", path, version=1, scopes=[*MADE_WITH, "a"])
    assert (kept.status, kept.json["scopes"]) == (200, [*MADE_WITH, "a"])
    assert (await api.act("PATCH", path, version=2, scopes=["z"])).errors == {("invalid", "scopes[0]")}
    assert (await api.act("PATCH", path, version=2, name="Mairie")).status == 200


async def test_scopes_are_not_checked_if_no_gateway_has_reported_any_lately(
    api: ApiClient, store: Store, clock: DatetimeClock, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await create(api, "x")).status == 201
    assert "scopes not checked" in caplog.text
    await report(store, clock, "a")
    assert (await create(api, "x")).status == 422
    clock.advance(days=FORGOTTEN_AFTER.days)
    assert (await create(api, "x")).status == 201


async def test_an_event_of_datapass_with_a_scope_that_no_provider_serves_is_applied_with_a_warning(
    store: Store, clock: DatetimeClock, caplog: pytest.LogCaptureFixture
) -> None:
    await report(store, clock, "a")
    for hour, scopes in enumerate((("a", "openid"), ("a", "z"), ("a", "z"))):
        clock.advance(hours=1)
        body = v2("approve", clock().timestamp(), state="approved", scopes=scopes)
        received = ReceivedEvent("v2", body, clock())
        answer, outcome = await inbox.apply_once(store, received, formats.read("v2", body), clock)
        assert (outcome, bool(answer["token_id"])) == ("obeyed", True)
        warnings = [record for record in caplog.records if "served by no provider" in record.message]
        assert len(warnings) == min(hour, 1)
    async with store.reading() as connection:
        [own] = await queries.habilitations(connection)
    assert (own.scopes, warnings[0].__dict__["scopes"]) == (("a", "z"), ["z"])
    acts = [act.act for act in await recorded_acts(store, own.id)]
    assert acts.count("habilitation unserved scopes") == 1


async def test_a_report_is_kept_up_to_date_and_junk_in_it_is_ignored(
    api: ApiClient, store: Store, clock: DatetimeClock
) -> None:
    await report(store, clock, "a", "no scope", "", "x" * 101)
    began = clock()
    clock.advance(hours=2)
    await report(store, clock, "a", "b")
    assert [one["scope"] for one in (await api.get("/scopes")).json["data"]] == ["a", "b"]
    async with store.reading() as connection:
        times = {one.scope: one.reported_at - began for one in await served_scopes.served_scopes(connection)}
    assert times == {"a": timedelta(hours=2), "b": timedelta(hours=2)}


def test_the_command_refuses_an_unknown_scope_unless_forced_with_a_reason(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def reported() -> None:
        async with open_store(Secret(f"sqlite:///{tmp_path}/registry.db")) as store:
            await report(store, utc_now, "a")

    asyncio.run(reported())
    command = ("habilitation", "create", "--siret", SIRET, "--scopes", "b")
    assert "scopes[0]: is served by no provider" in refused_command(capsys, *command)
    assert "--why: is required" in refused_command(capsys, *command, "--force", "--why", "", status=2)
    made = run(*command, "--force", "--why", "the worker comes next week")
    assert made["scopes"] == ["b"]
    assert "scopes[1]" in refused_command(capsys, "habilitation", "update", made["id"], "--scopes", "b", "c")


async def test_a_worker_that_changes_its_scopes_all_the_time_does_not_fill_the_database(
    store: Store, clock: DatetimeClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(served_scopes, "MAX_SCOPES", 3)
    await report(store, clock, "own_a", "own_b")
    for number in range(5):
        await report(store, clock, f"a_{number}", "own_a")
    assert await known(store) == ["a_0", "own_a", "own_b"]
    assert caplog.messages.count("served scopes beyond limit") == 4
    clock.now += FORGOTTEN_AFTER - timedelta(days=1)
    await report(store, clock, "own_a")
    clock.advance(days=2)
    await report(store, clock, "own_b", "own_c")
    assert await known(store) == ["own_a", "own_b", "own_c"]
