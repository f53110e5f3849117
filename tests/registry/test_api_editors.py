"""Tests of editors, their tokens and their delegations in the registry's internal API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bouquet_registry.store import Store
from tests.registry.api_client import ApiClient, api_client
from tests.support.administrative_acts import recorded_acts
from tests.support.clock import DatetimeClock
from tests.support.editors import EDITOR_SIRET, create_editor, delegate
from tests.support.habilitations import create_habilitation


@pytest.fixture
async def api(store: Store, clock: DatetimeClock) -> AsyncIterator[ApiClient]:
    async with api_client(store, clock) as client:
        yield client


async def made_editor(api: ApiClient, **fields: Any) -> Any:
    answer = await api.act("POST", "/editors", siret=EDITOR_SIRET, name="Arpège", **{"delegable": True} | fields)
    assert answer.status == 201
    return answer.json


async def test_an_editor_is_created_changed_closed_and_reopened(api: ApiClient, store: Store) -> None:
    made = await made_editor(api, form_uids=["concerto"], members=["zoe@arpege.example"])
    path = f"/editors/{made['id']}"
    changed = (await api.act("PATCH", path, version=1, allowed_ips=["192.0.2.0/24"])).json
    assert (changed["version"], changed["allowed_ips"], changed["name"]) == (2, ["192.0.2.0/24"], "Arpège")
    assert (await api.act("POST", f"{path}/close", version=2)).json["state"] == "archived"
    assert (await api.act("POST", f"{path}/reopen", version=3)).json["state"] == "active"
    assert (await api.get(path)).json["editor"]["version"] == 4
    assert (await api.get("/editors", q="arp", state="active")).json["data"][0]["id"] == made["id"]
    assert (await api.get("/editors", q="other")).json == {"data": [], "next": None}
    assert sorted((act.version, act.act, act.changed) for act in await recorded_acts(store, made["id"])) == [
        (1, "editor create", ()),
        (2, "editor change", ("allowed_ips",)),
        (3, "editor archived", ("state",)),
        (4, "editor active", ("state",)),
    ]


async def test_a_token_of_an_editor_is_issued_shown_changed_rotated_and_revoked(api: ApiClient) -> None:
    editor = await made_editor(api)
    issued = (await api.act("POST", f"/editors/{editor['id']}/tokens", label="Concerto")).json
    token = issued["token"]
    path = f"/editor-tokens/{token['id']}"
    assert (await api.get(path)).json == token
    assert (await api.act("POST", f"{path}/text")).json == {"jwt": issued["jwt"]}
    assert (await api.act("PATCH", path, version=1, allowed_ips=["192.0.2.1"])).json["label"] == "Concerto"
    assert (await api.act("POST", f"{path}/prolong", version=2)).json["version"] == 3
    rotated = (await api.act("POST", f"{path}/rotate", version=3, grace_hours=2)).json
    assert rotated["former"]["blacklisted_at"] == (await api.get(path)).json["blacklisted_at"]
    assert rotated["token"]["allowed_ips"] == ["192.0.2.1"]
    new = f"/editor-tokens/{rotated['token']['id']}"
    assert (await api.act("POST", f"{new}/revoke", version=1)).json["blacklist_reason"] == "ticket 12"
    listed = (await api.get("/editor-tokens", editor=editor["id"])).json["data"]
    assert {one["id"] for one in listed} == {token["id"], rotated["token"]["id"]}
    in_force = (await api.get("/editor-tokens", expiring_within_days="600")).json["data"]
    assert [one["id"] for one in in_force] == [token["id"]]  # for two hours still


async def test_a_delegation_is_created_listed_and_revoked_with_its_history(api: ApiClient, store: Store) -> None:
    editor, own = await made_editor(api), await create_habilitation(store)
    pair = {"editor": editor["id"], "habilitation": own.id}
    made = await api.act("POST", "/delegations", **pair)
    assert (made.status, made.json["created_by"], made.json["created_why"]) == (201, "Anne Durant", "ticket 12")
    assert (await api.act("POST", "/delegations", **pair)).errors == {("conflict", "")}
    path = f"/delegations/{made.json['id']}"
    revoked = (await api.act("POST", f"{path}/revoke", version=1)).json
    assert (revoked["revoked_by"], revoked["revoked_why"]) == ("Anne Durant", "ticket 12")
    assert (await api.get(path)).json == revoked
    stale = await api.act("POST", f"{path}/revoke", version=1)
    assert (stale.errors, stale.json["current"]) == ({("stale_version", "version")}, revoked)
    assert (await api.act("POST", f"{path}/revoke", version=2)).errors == {("refused", "")}
    assert (await api.get("/delegations", habilitation=own.id, is_revoked="true")).json["data"] == [revoked]
    assert (await api.get("/delegations", editor=editor["id"], is_revoked="false")).json["data"] == []


async def test_delegations_are_listed_in_pages_newest_first(api: ApiClient, store: Store, clock: DatetimeClock) -> None:
    editor, made = await create_editor(store, clock), []
    for _ in range(5):
        clock.advance(days=1)
        made += await delegate(store, editor, await create_habilitation(store, clock), clock=clock)
    first = (await api.get("/delegations", editor=editor.id, limit="3")).json
    second = (await api.get("/delegations", editor=editor.id, limit="3", cursor=first["next"])).json
    assert [one["id"] for one in first["data"] + second["data"]] == [one.id for one in reversed(made)]
    assert second["next"] is None


async def test_wrong_fields_of_an_editor_are_reported_and_an_unknown_editor_is_404(api: ApiClient) -> None:
    wrong = await api.act("POST", "/editors", siret="1", name="Arpège", members=["x"], allowed_ips=["nowhere"])
    assert wrong.errors == {("invalid", "siret"), ("invalid", "members"), ("invalid", "allowed_ips[0]")}
    assert (await api.act("POST", "/editors/nobody/tokens")).status == 404
    editor = await made_editor(api, allowed_ips=["192.0.2.0/24"])
    outside = await api.act("POST", f"/editors/{editor['id']}/tokens", allowed_ips=["198.51.100.1"])
    assert outside.errors == {("invalid", "allowed_ips")}


async def test_an_unknown_editor_and_an_unknown_habilitation_of_a_delegation_are_told_apart(
    api: ApiClient, store: Store
) -> None:
    editor, own = await made_editor(api), await create_habilitation(store)
    for pair, told in (
        ({"editor": "nobody", "habilitation": own.id}, "no editor has this id"),
        ({"editor": editor["id"], "habilitation": "nobody"}, "no habilitation has this id"),
    ):
        answer = await api.act("POST", "/delegations", **pair)
        assert (answer.status, answer.json["errors"][0]["detail"]) == (404, told)


@pytest.mark.parametrize("second", ["2", "9999", "x"])
async def test_a_repeated_parameter_is_refused(api: ApiClient, second: str) -> None:
    answer = await api.get(f"/editors?limit=1&limit={second}")
    assert (answer.status, answer.errors) == (422, {("invalid", "limit")})
