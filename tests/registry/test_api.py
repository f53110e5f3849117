"""Tests of the registry's internal API: habilitations, tokens, notices, events, acts and the journal, on SQLite and
PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bouquet_registry import notices
from bouquet_registry.api.pages import cursor_of
from bouquet_registry.journal import queries as journal
from bouquet_registry.journal.rollups import roll_up
from bouquet_registry.store import Store
from tests.registry.accesses import access, write
from tests.registry.api_client import AUTHOR, ApiAnswer, ApiClient, api_client, read_pages
from tests.registry.datapass_client import datapass_client
from tests.registry.datapass_events import v1
from tests.support.administrative_acts import recorded_acts
from tests.support.clock import DatetimeClock
from tests.support.editors import create_editor, issue_editor_token
from tests.support.habilitations import (
    SIRET,
    change_habilitation,
    create_habilitation,
    habilitation_of,
    issue_token,
    read_token,
)
from tests.support.notices import NoticeRecorder


@pytest.fixture
async def api(store: Store, clock: DatetimeClock) -> AsyncIterator[ApiClient]:
    async with api_client(store, clock) as client:
        yield client


async def test_a_habilitation_is_created_changed_closed_and_reopened(api: ApiClient, store: Store) -> None:
    made = await api.act("POST", "/habilitations", siret=SIRET, name="MAIRIE", scopes=["dss_enfants"])
    assert (made.status, made.json["version"], made.json["state"]) == (201, 1, "active")
    path = f"/habilitations/{made.json['id']}"
    changed = await api.act(
        "PATCH", path, version=1, purpose="Cantine", contacts=[{"kind": "demandeur", "email": "a@b"}]
    )
    assert (changed.status, changed.json["version"], changed.json["name"]) == (200, 2, "MAIRIE")
    assert (await api.act("POST", f"{path}/close", version=2)).json["state"] == "archived"
    assert (await api.act("POST", f"{path}/reopen", version=3)).json["state"] == "active"
    found = (await api.get(path)).json
    assert found["habilitation"] | {"purpose": "Cantine", "version": 4} == found["habilitation"]
    acts = await recorded_acts(store, made.json["id"])
    assert {(act.author, act.reason) for act in acts} == {("Anne Durant", "ticket 12")}
    assert sorted((act.version, act.act, act.changed) for act in acts) == [
        (1, "habilitation create", ()),
        (2, "habilitation change", ("purpose", "contacts")),
        (3, "habilitation archived", ("state",)),
        (4, "habilitation active", ("state",)),
    ]


async def test_limits_and_addresses_of_a_habilitation_are_replaced(api: ApiClient, store: Store) -> None:
    own = await create_habilitation(store, calls_per_minute=60, allowed_ips=("10.0.0.1",))
    path = f"/habilitations/{own.id}"
    limited = await api.act(
        "PUT", f"{path}/limits", version=1, group_limits=[{"paths": "/v3/dss/", "calls_per_minute": 50}]
    )
    assert (limited.json["calls_per_minute"], limited.json["group_limits"][0]["calls_per_minute"]) == (0, 50)
    opened = await api.act("PUT", f"{path}/addresses", version=2, allowed_ips=[])
    assert (opened.status, opened.json["allowed_ips"], len(opened.json["group_limits"])) == (200, [], 1)


async def test_habilitations_are_listed_in_pages_and_found_by_text_address_and_state(
    api: ApiClient, store: Store, clock: DatetimeClock
) -> None:
    names = ["MAIRIE 100 %", "Département", "Région", "CCAS", "École_"]
    for name in names:
        await create_habilitation(store, clock, name=name)
        clock.advance(seconds=1)
    await create_habilitation(store, clock, name="Métropole", state="archived", contacts=(), datapass_id="4812")
    assert [own["name"] for own in await read_pages(api, "/habilitations")] == [*names, "Métropole"]

    async def found(**query: str) -> list[str]:
        return [own["name"] for own in await read_pages(api, "/habilitations", **query)]

    assert await found(q="ccas") == ["CCAS"]
    assert await found(q="%") == ["MAIRIE 100 %"]
    assert await found(q="_") == ["École_"]
    assert await found(q="4812") == await found(state="archived") == ["Métropole"]
    assert await found(email=" Anne@Mairie.example ") == names
    assert await found(email="anne@mairie.exampl") == await found(email="%") == []
    assert await found(siret="1", state="active") == []


async def test_a_token_is_issued_shown_again_prolonged_flagged_and_revoked(
    api: ApiClient, store: Store, clock: DatetimeClock
) -> None:
    own = await create_habilitation(store, clock)
    issued = await api.act("POST", f"/habilitations/{own.id}/tokens")
    assert issued.status == 201
    assert issued.headers["Cache-Control"] == "no-store"
    token, jwt = issued.json["token"], issued.json["jwt"]
    path = f"/tokens/{token['id']}"
    assert (await api.act("POST", f"{path}/text")).json == {"jwt": jwt}
    clock.advance(days=10)
    prolonged = await api.act("POST", f"{path}/prolong", version=1)
    assert prolonged.json["expires_at"] > token["expires_at"]
    assert (await api.act("PATCH", path, version=2, mcp=True)).json["mcp"] is True
    revoked = await api.act("POST", f"{path}/revoke", version=3)
    assert (revoked.json["blacklist_reason"], revoked.json["version"]) == ("ticket 12", 4)
    assert "jwt" not in str((await api.get(path)).json)
    acts = await recorded_acts(store, token["id"])
    assert sorted(act.act for act in acts) == [
        *("token change", "token issue", "token prolong", "token reveal", "token revoke")
    ]
    assert {act.author for act in acts} == {"Anne Durant"}
    assert jwt not in str(acts)


async def test_a_token_is_revoked_from_a_later_time(api: ApiClient, store: Store) -> None:
    token = await issue_token(store)
    answer = await api.act("POST", f"/tokens/{token.id}/revoke", version=1, at="2030-01-01T00:00:00+01:00")
    assert answer.status == 200
    assert (await read_token(store, token.id)).blacklisted_at == datetime(2029, 12, 31, 23, tzinfo=UTC)


async def test_no_token_is_issued_for_a_closed_habilitation(api: ApiClient, store: Store) -> None:
    own = await create_habilitation(store, state="archived")
    answer = await api.act("POST", f"/habilitations/{own.id}/tokens")
    assert (answer.status, answer.errors) == (409, {("refused", "")})


async def test_tokens_are_listed_in_pages_by_expiry(api: ApiClient, store: Store, clock: DatetimeClock) -> None:
    tokens = []
    for _ in range(5):
        tokens.append(await issue_token(store, clock))
        clock.advance(days=1)
    assert [token["id"] for token in await read_pages(api, "/tokens")] == [token.id for token in tokens]
    [one] = await read_pages(api, "/tokens", habilitation=tokens[2].habilitation)
    assert one["id"] == tokens[2].id
    clock.now = tokens[1].expires_at - timedelta(days=3)
    assert [token["id"] for token in await read_pages(api, "/tokens", expiring_within_days="3")] == [
        token.id for token in tokens[:2]
    ]


async def test_notices_are_listed_with_the_time_of_their_sending(
    api: ApiClient, store: Store, clock: DatetimeClock
) -> None:
    token = await issue_token(store, clock)
    clock.now = token.expires_at - timedelta(days=14)
    await notices.send_due_notices(store, NoticeRecorder(), clock)
    [notice] = await read_pages(api, "/notices", token=token.id, is_sent="true")
    assert (notice["days"], notice["habilitation"]) == (14, token.habilitation)
    assert await read_pages(api, "/notices", is_sent="false") == []
    assert (await api.get(f"/tokens/{token.id}")).json["notices_sent"] == [14]


async def test_events_of_datapass_are_listed_with_their_answers(
    api: ApiClient, store: Store, clock: DatetimeClock
) -> None:
    async with datapass_client(store, clock) as datapass:
        await datapass.approves()
        clock.advance(minutes=1)
        await datapass.tells(v1("archive", datapass.now))
    archived, approved = await read_pages(api, "/datapass-events")
    assert (archived["event"], archived["answer"]) == ("archive", {})
    assert (await read_token(store, approved["answer"]["token_id"])).siret == SIRET
    assert await read_pages(api, "/datapass-events", event="approve") == [approved]


async def test_calls_are_found_in_the_journal_by_each_of_their_properties(api: ApiClient, store: Store) -> None:
    token = await issue_token(store)
    own, other = token.habilitation, "another"
    await write(
        store,
        [
            access(1, at=1000, habilitation=own, token=token.id, operation="a", outcome="found", request_id="r1"),
            access(2, at=2000, habilitation=own, token="t2", operation="b", outcome="failed", request_id="r2"),
            access(3, at=3000, habilitation=other, token="t3", operation="a", outcome="found", request_id="r3"),
            access(4, at=4000, habilitation=own, token=token.id, operation="b", outcome="found", request_id="r4"),
        ],
    )

    async def found(**query: str) -> list[str]:
        return [call["request_id"] for call in await read_pages(api, "/journal", **query)]

    assert await found() == ["r4", "r3", "r2", "r1"]
    assert await found(habilitation=own) == ["r4", "r2", "r1"]
    assert await found(token=token.id) == ["r4", "r1"]
    assert await found(habilitation=own, operation="b") == ["r4", "r2"]
    assert await found(outcome="failed") == ["r2"]
    assert await found(request_id="r3") == ["r3"]
    assert await found(habilitation=own, since="1970-01-01T00:30:00Z", until="1970-01-01T01:00:00Z") == ["r2"]
    [act] = [act for act in await recorded_acts(store, own) if act.act == "journal read"][:1]
    assert (act.author, act.reason) == ("Anne Durant", "ticket 12")


async def test_calls_of_an_editor_are_found_by_its_token_for_all_habilitations(api: ApiClient, store: Store) -> None:
    token = await issue_editor_token(store, await create_editor(store))
    records = [access(n, at=1000 * n, habilitation=f"h{n}", token=token.id, request_id=f"r{n}") for n in (1, 2)]
    await write(store, [*records, access(3, at=3000, habilitation="h1", token="t3", request_id="r3")])
    assert [call["request_id"] for call in await read_pages(api, "/journal", token=token.id)] == ["r2", "r1"]
    [one] = await read_pages(api, "/journal", token=token.id, habilitation="h1")
    assert one["request_id"] == "r1"
    assert (await api.get("/journal", token="nobody")).status == 404


async def test_a_call_of_the_journal_says_its_purpose_but_not_about_whom_it_was(api: ApiClient, store: Store) -> None:
    person, found = "a" * 64, "b" * 64
    await write(store, [access(1, person=person, found=(found,), key="2026", purpose="Tarif de la cantine")])
    [call] = await read_pages(api, "/journal")
    assert call["purpose"] == "Tarif de la cantine"
    assert not {person, found} & set(map(str, call.values()))
    assert {"person", "found", "key"}.isdisjoint(call)


async def test_a_page_of_the_journal_examines_a_limited_number_of_records(
    api: ApiClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MAX_EXAMINED", 3)
    rare = {1, 8}
    await write(store, [access(n, at=n, operation="rare" if n in rare else "common") for n in range(1, 10)])
    first = (await api.get("/journal", operation="rare")).json
    assert [call["at"] for call in first["data"]] == ["1970-01-01T00:00:08Z"]
    second = (await api.get("/journal", operation="rare", cursor=first["next"])).json
    assert second["data"] == []
    assert [call["at"][-3:-1] for call in await read_pages(api, "/journal", operation="rare")] == ["08", "01"]


async def test_statistics_count_the_calls_of_a_habilitation(api: ApiClient, store: Store) -> None:
    token = await issue_token(store)
    await write(store, [access(n, at=1000 + n, habilitation=token.habilitation) for n in range(1, 4)])
    await roll_up(store)
    period = {"since": "1970-01-01T00:00:00Z", "until": "1970-01-02T00:00:00Z"}
    counted = (await api.get("/statistics", habilitation=token.habilitation, **period)).json["data"]
    assert [(row["calls"], row["outcome"], row["name"]) for row in counted] == [(3, "found", "MAIRIE")]
    assert "journal stats" in [act.act for act in await recorded_acts(store, token.habilitation)]
    long = await api.get("/statistics", habilitation="x", since="2024-01-01T00:00:00Z", until="2026-01-01T00:00:00Z")
    assert (long.status, long.errors) == (422, {("invalid", "until")})


async def test_acts_are_listed_in_pages_newest_first(api: ApiClient, store: Store, clock: DatetimeClock) -> None:
    own = await create_habilitation(store, clock)
    for version in range(1, 5):
        clock.advance(minutes=1)
        await api.act("PATCH", f"/habilitations/{own.id}", version=version, purpose=f"Cantine {version}")
    listed = await read_pages(api, "/acts", target=own.id)
    assert [act["version"] for act in listed] == [5, 4, 3, 2, 1]
    assert [
        act["version"] for act in await read_pages(api, "/acts", author="Anne Durant", act="habilitation create")
    ] == [1]


async def test_a_stale_version_is_refused_with_the_record_and_the_acts_since(api: ApiClient, store: Store) -> None:
    token = await issue_token(store)
    own = await change_habilitation(store, token, purpose="Transport")
    own = await change_habilitation(store, token, name="VILLE")
    answer = await api.act("PATCH", f"/habilitations/{own.id}", version=1, purpose="Cantine")
    assert (answer.status, answer.errors) == (409, {("stale_version", "version")})
    assert (answer.json["current"]["version"], answer.json["current"]["name"]) == (3, "VILLE")
    assert [(act["author"], act["changed"]) for act in answer.json["since"]] == [
        ("Anne Durant", ["purpose"]),
        ("Anne Durant", ["name"]),
    ]
    assert await habilitation_of(store, token) == own


@pytest.mark.parametrize("version", [0, 2**31, 2**63, 10**30])
async def test_a_version_that_no_record_can_have_is_a_wrong_field(version: int, api: ApiClient, store: Store) -> None:
    own = await create_habilitation(store)
    answer = await api.act("POST", f"/habilitations/{own.id}/close", version=version)
    assert (answer.status, {field for _, field in answer.errors}) == (422, {"version"})


async def test_a_version_that_no_record_has_yet_is_stale(api: ApiClient, store: Store) -> None:
    own = await create_habilitation(store)
    answer = await api.act("POST", f"/habilitations/{own.id}/close", version=2**31 - 1)
    assert (answer.status, answer.errors) == (409, {("stale_version", "version")})


async def test_of_two_writers_at_once_one_is_refused(api: ApiClient, store: Store) -> None:
    own = await create_habilitation(store)
    answers = await asyncio.gather(
        *(api.act("PATCH", f"/habilitations/{own.id}", version=1, purpose=f"Cantine {n}") for n in range(6))
    )
    [winner] = [answer for answer in answers if answer.status == 200]
    losers = [answer for answer in answers if answer.status == 409]
    assert len(losers) == 5
    assert all(loser.json["current"] == winner.json for loser in losers)
    assert [act.act for act in await recorded_acts(store, own.id)].count("habilitation change") == 1


async def test_an_act_that_is_refused_is_not_recorded(api: ApiClient, store: Store) -> None:
    own = await create_habilitation(store, datapass_id="1")
    other = await create_habilitation(store)
    assert (await api.act("PATCH", f"/habilitations/{other.id}", version=1, datapass_id="1")).status == 409
    assert (await api.act("PATCH", f"/habilitations/{own.id}", version=7, purpose="Cantine")).status == 409
    assert [act.act for act in await recorded_acts(store)] == ["habilitation create"] * 2


@pytest.mark.parametrize(
    ("path", "status"),
    [("/habilitations/nobody", 404), ("/tokens/%00", 404), ("/tokens/a.b", 404), ("/nothing", 404)],
)
async def test_an_unknown_record_or_route_is_reported_as_such(path: str, status: int, api: ApiClient) -> None:
    answer = await api.get(path)
    assert (answer.status, {code for code, _ in answer.errors} <= {"unknown_record", "unknown_route"}) == (status, True)
    assert path.rpartition("/")[2] not in str(answer.json).replace("unknown_route", "")


WRONG_CURSORS = [
    "x",
    "é",
    cursor_of(["a"]),
    cursor_of(["2026-01-01T00:00:00", "a"]),
    cursor_of(["0001-01-01T00:00:00Z", "a"]),
]


@pytest.mark.parametrize("cursor", WRONG_CURSORS)
@pytest.mark.parametrize("path", ["/habilitations", "/acts", "/journal", "/tokens"])
async def test_a_text_that_is_no_cursor_is_an_invalid_parameter(path: str, cursor: str, api: ApiClient) -> None:
    answer = await api.get(path, cursor=cursor)
    assert (answer.status, answer.errors) == (422, {("invalid", "cursor")})


async def test_every_wrong_field_is_reported_at_once_and_no_value_is_quoted(api: ApiClient) -> None:
    body = {
        "siret": "SECRET",
        "contacts": [{"kind": "SECRET", "email": "a@b"}, {"kind": "demandeur", "email": 3}],
        "scopes": ["dss_enfants", "SECRET SCOPE"],
        "allowed_ips": ["10.0.0.0/8", "SECRET"],
        "group_limits": [{"paths": "SECRET", "calls_per_minute": 1}],
        "purpose": "a\0b",
        "unknown": "SECRET",
    }
    answer = await api.send("POST", "/habilitations", body=body, headers={})
    assert answer.status == 422
    assert {field for _, field in answer.errors} == {
        *("X-Author", "X-Reason", "siret", "contacts[0].kind", "contacts[1].email", "scopes[1]"),
        *("allowed_ips[1]", "group_limits[0].paths", "purpose", "unknown"),
    }
    assert "SECRET" not in str(answer.json)


async def test_a_wrong_choice_or_format_is_reported_with_what_is_accepted(api: ApiClient) -> None:
    choice = await api.get("/journal", outcome="lost")
    assert choice.json["errors"][0]["detail"] == "is none of found, not_found, rejected, refused, failed, pruned"
    body = {"siret": "21750001600019", "contacts": [{"kind": "boss", "email": "a@b.fr"}], "modalities": ["Par mail"]}
    details = [error["detail"] for error in (await api.act("POST", "/habilitations", **body)).json["errors"]]
    assert details == [
        "is none of demandeur, contact_metier, contact_technique",
        "expected `str` matching regex '^[a-z_]{1,40}$'",
    ]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"a": 1' * 5000])
async def test_a_body_that_is_no_json_object_is_malformed(data: bytes, api: ApiClient) -> None:
    answer = await api.send("POST", "/habilitations", data=data)
    assert (answer.status, answer.errors) == (400, {("malformed", "")})


async def test_an_author_with_accents_is_recorded_as_sent_or_percent_encoded(api: ApiClient, store: Store) -> None:
    for author in ("Zoé", "Zo%C3%A9"):
        headers = {"X-Author": author, "X-Reason": "100 % sûr"}
        assert (await api.send("POST", "/habilitations", body={"siret": SIRET}, headers=headers)).status == 201
    assert {(act.author, act.reason) for act in await recorded_acts(store)} == {("Zoé", "100 % sûr")}


async def test_the_text_of_a_token_is_refused_as_author_and_as_reason(api: ApiClient, store: Store) -> None:
    own = await create_habilitation(store)
    jwt = (await api.act("POST", f"/habilitations/{own.id}/tokens")).json["jwt"]
    headers = {"X-Author": f"Anne {jwt}", "X-Reason": f"leaked: {jwt}"}
    answer = await api.send("POST", f"/habilitations/{own.id}/close", body={"version": 1}, headers=headers)
    assert (answer.status, answer.errors) == (422, {("invalid", "X-Author"), ("invalid", "X-Reason")})
    assert jwt not in str(answer.json)


async def test_a_request_id_is_answered_and_made_if_missing(api: ApiClient) -> None:
    answer: ApiAnswer = await api.send("GET", "/acts", headers=AUTHOR | {"X-Request-Id": "mine-1"})
    assert answer.headers["X-Request-Id"] == "mine-1"
    assert len((await api.get("/acts")).headers["X-Request-Id"]) == 36
