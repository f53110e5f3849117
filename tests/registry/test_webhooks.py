"""Tests of the webhooks by which DataPass reports approved requests. Each event is applied once, and only if DataPass
signed it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bouquet_mesh.secret import Secret
from bouquet_registry import acts, habilitations, transactions
from bouquet_registry.datapass import inbox
from bouquet_registry.datapass.webhooks import Webhooks
from bouquet_registry.habilitations import Contact, Person, ServiceProvider
from bouquet_registry.refusals import RefusalError
from bouquet_registry.store import Store
from bouquet_registry.webhook_signature import HEADER
from bouquet_worker.testing.captured_telemetry import log_text_of, words_of
from tests.registry.datapass_client import DataPass, datapass_client
from tests.registry.datapass_events import V1, V2, signed, v1, v2
from tests.support.clock import DatetimeClock
from tests.support.editors import create_editor, delegations_of, withdraw
from tests.support.habilitations import ADMINISTRATOR, SIRET, read_token

HOUR = 3600
OTHER_SIRET = "21750001600019"
FORM = "api-particulier-arpege-concerto"


@pytest.fixture
async def datapass(store: Store, clock: DatetimeClock) -> AsyncIterator[DataPass]:
    async with datapass_client(store, clock) as made:
        yield made


async def test_an_approval_creates_a_habilitation_and_its_token(datapass: DataPass) -> None:
    id_ = await datapass.approves()
    own = await datapass.habilitation()
    [made] = await datapass.tokens()
    assert (made.id, made.habilitation) == (id_, own.id)
    assert (own.datapass_id, own.siret, own.purpose, own.state) == ("4242", SIRET, "Cantine", "active")
    assert own.scopes == ("dss_quotient_familial", "dss_enfants")
    assert own.contacts == (
        Contact("demandeur", "anne@mairie.example", "Anne DURANT"),
        Contact("contact_technique", "si@mairie.example"),
    )


async def test_a_v2_event_has_the_effect_of_its_v1_form(datapass: DataPass) -> None:
    status, answer = await datapass.tells(v2("approve", datapass.now, state="validated"), V2)
    own = await datapass.habilitation()
    [made] = await datapass.tokens()
    assert (status, answer) == (200, {"token_id": made.id})
    assert (own.datapass_id, own.siret, own.purpose, own.state) == ("4242", SIRET, "Cantine", "active")
    assert own.scopes == ("dss_quotient_familial", "dss_enfants")
    assert own.contacts == (
        Contact("demandeur", "anne@mairie.example", "Anne DURANT"),
        Contact("contact_metier", "metier@mairie.example"),
        Contact("contact_technique", "si@mairie.example", "Zoé MARTIN"),
    )


async def test_a_habilitation_for_franceconnect_alone_has_no_token(datapass: DataPass) -> None:
    body = v2("approve", datapass.now, state="validated", modalities=["france_connect"])
    assert await datapass.tells(body, V2) == (200, {})
    assert await datapass.tokens() == []
    assert (await datapass.habilitation()).modalities == ("france_connect",)


async def test_a_new_approval_prolongs_the_token_and_sets_the_scopes(datapass: DataPass, store: Store) -> None:
    id_ = await datapass.approves()
    before = await read_token(store, id_)
    datapass.clock.advance(days=300)
    assert await datapass.approves(scopes={"cnous_statut_boursier": True}) == id_
    assert (await read_token(store, id_)).expires_at > before.expires_at
    assert (await datapass.habilitation()).scopes == ("cnous_statut_boursier",)


async def test_a_revocation_blacklists_every_token_now(datapass: DataPass, store: Store) -> None:
    id_ = await datapass.approves()
    datapass.clock.advance(hours=1)
    assert await datapass.tells(v1("revoke", datapass.now)) == (200, {})
    assert (await datapass.habilitation()).state == "revoked"
    assert (await read_token(store, id_)).blacklisted_at == datapass.clock()


async def test_an_approval_after_a_revocation_makes_another_token(datapass: DataPass) -> None:
    first = await datapass.approves()
    datapass.clock.advance(hours=1)
    await datapass.tells(v1("revoke", datapass.now))
    datapass.clock.advance(hours=1)
    assert await datapass.approves() != first
    assert len(await datapass.tokens()) == 2


async def test_a_request_that_is_not_approved_grants_no_scope(datapass: DataPass) -> None:
    for event in ("create", "submit", "request_changes", "refuse"):
        assert await datapass.tells(v1(event, datapass.now)) == (200, {})
        assert (await datapass.habilitation()).scopes == ()
        datapass.clock.advance(hours=1)
    assert await datapass.tokens() == []
    assert (await datapass.habilitation()).state == "refused"


async def test_a_pending_or_refused_change_leaves_the_granted_scopes(datapass: DataPass) -> None:
    await datapass.approves()
    for event in ("submit", "update", "refuse"):
        datapass.clock.advance(hours=1)
        await datapass.tells(v1(event, datapass.now, scopes={"everything": True}))
        own = await datapass.habilitation()
        assert (own.state, own.scopes) == ("active", ("dss_quotient_familial", "dss_enfants"))


async def test_an_update_of_a_granted_habilitation_changes_its_scopes(datapass: DataPass) -> None:
    await datapass.approves()
    datapass.clock.advance(hours=1)
    body = v1("update", datapass.now, status="validated", intitule="Crèche", scopes={"dss_enfants": True})
    assert await datapass.tells(body) == (200, {})
    own = await datapass.habilitation()
    assert (own.purpose, own.scopes) == ("Crèche", ("dss_enfants",))


async def test_an_archive_event_archives_the_habilitation(datapass: DataPass) -> None:
    await datapass.approves()
    datapass.clock.advance(hours=1)
    await datapass.tells(v1("archive", datapass.now))
    assert (await datapass.habilitation()).state == "archived"


async def test_fields_set_by_an_operator_survive_an_event(datapass: DataPass, store: Store) -> None:
    await datapass.approves()
    own = await datapass.habilitation()
    async with transactions.begin(store, ADMINISTRATOR, datapass.clock) as transaction:
        await transaction.change(own, name="MAIRIE", calls_per_minute=9, allowed_ips=("10.0.0.1",))
    datapass.clock.advance(hours=1)
    await datapass.approves()
    own = await datapass.habilitation()
    assert (own.name, own.calls_per_minute, own.allowed_ips) == ("MAIRIE", 9, ("10.0.0.1",))


async def test_a_repeated_event_is_applied_once_and_answered_the_same(datapass: DataPass, store: Store) -> None:
    body = v1("approve", datapass.now)
    first = await datapass.tells(body)
    [made] = await datapass.tokens()
    datapass.clock.advance(hours=2)
    assert await datapass.tells(body) == first
    assert await datapass.tokens() == [made]


async def test_concurrent_copies_of_an_event_are_applied_once(datapass: DataPass) -> None:
    body = v1("approve", datapass.now)
    answers = await asyncio.gather(*(datapass.tells(body) for _ in range(5)))
    [made] = await datapass.tokens()
    assert answers == [(200, {"token_id": made.id})] * 5


async def test_a_late_event_does_not_undo_a_newer_one(datapass: DataPass, store: Store) -> None:
    late = v1("approve", datapass.now + HOUR, intitule="Ancien")
    id_ = await datapass.approves()
    datapass.clock.advance(hours=2)
    await datapass.tells(v1("revoke", datapass.now))
    assert await datapass.tells(late) == (200, {})
    assert (await datapass.habilitation()).state == "revoked"
    assert [one.id for one in await datapass.tokens()] == [id_]


TAMPERED = {
    "no signature": {},
    "an empty one": {HEADER: ""},
    "another secret's": signed(v1("approve", 0), Secret("x" * 32)),
    "another body's": signed(b"{}"),
    "not hexadecimal": {HEADER: "sha256=é"},
    "without its name": {HEADER: signed(v1("approve", 0))[HEADER].removeprefix("sha256=")},
    "of another kind": {HEADER: signed(v1("approve", 0))[HEADER].replace("sha256", "sha1")},
}


@pytest.mark.parametrize("tampered", TAMPERED)
@pytest.mark.parametrize("path", [V1, V2])
async def test_a_webhook_without_datapass_s_signature_is_refused(datapass: DataPass, path: str, tampered: str) -> None:
    assert await datapass.tells(v1("approve", datapass.now), path, TAMPERED[tampered]) == (401, {})
    assert await datapass.nothing()


async def test_a_signature_does_not_fit_a_body_with_one_other_byte(datapass: DataPass) -> None:
    body = v1("approve", datapass.now)
    assert await datapass.tells(body.replace(b"4242", b"4243"), headers=signed(body)) == (401, {})
    assert await datapass.nothing()


@pytest.mark.parametrize("age", [timedelta(hours=25), timedelta(days=400)])
async def test_an_event_too_old_is_refused(datapass: DataPass, age: timedelta) -> None:
    assert await datapass.tells(v1("approve", (datapass.clock() - age).timestamp())) == (401, {})
    assert await datapass.nothing() and await datapass.aside() == []


async def test_an_event_from_the_future_is_set_aside_and_hides_no_later_one(datapass: DataPass, store: Store) -> None:
    future = v1("approve", (datapass.clock() + timedelta(days=30)).timestamp())
    assert await datapass.sets_aside(future) == "is dated ahead of the clock"
    [aside] = await datapass.aside()
    assert (await inbox.replay(store, aside, datapass.clock, ADMINISTRATOR))[1] == "obeyed"
    datapass.clock.advance(hours=1)
    assert await datapass.tells(v1("revoke", datapass.now)) == (200, {})
    assert (await datapass.habilitation()).state == "revoked"


@pytest.mark.parametrize("path", [V1, V2])
async def test_the_payload_that_tests_a_webhook_gets_a_200_and_has_no_effect(datapass: DataPass, path: str) -> None:
    for body in (b'{"test": true, "timestamp": 1}', b'{"test":true,"timestamp":"2026-08-06T10:00:00Z"}'):
        assert await datapass.tells(body, path) == (200, {})
        assert await datapass.tells(body, path, {}) == (401, {})
    assert await datapass.nothing() and await datapass.aside() == []


UNREADABLE = {
    "nothing": b"",
    "no json": b"<xml/>",
    "no event": b"{}",
    "another dialect": v2("approve", 1_776_254_400, state="validated"),
    "no number": v1("approve", 1).replace(b'"fired_at": 1', b'"fired_at": "today"'),
    "an endless moment": v1("approve", 1e300),
    "no siret": v1("approve", 1_776_254_400, siret=None),
    "not utf-8": v1("approve", 1).replace(b"Cantine", b"\xff"),
}


@pytest.mark.parametrize("unreadable", UNREADABLE)
async def test_an_unreadable_event_is_set_aside(datapass: DataPass, unreadable: str) -> None:
    assert (await datapass.sets_aside(UNREADABLE[unreadable])).startswith("is no event in format v1")


@pytest.mark.parametrize("wrong", [{"siret": "123"}, {"scopes": {"Pas Un Scope": True}}])
async def test_an_invalid_event_is_set_aside(datapass: DataPass, wrong: dict[str, Any]) -> None:
    [field] = wrong
    assert (await datapass.sets_aside(v1("approve", datapass.now, **wrong))).startswith(field)


async def test_an_event_sent_again_is_set_aside_once(datapass: DataPass, store: Store) -> None:
    body = v1("approve", datapass.now, siret="123")
    assert [await datapass.tells(body) for _ in range(3)] == [(200, {})] * 3
    [aside] = await datapass.aside()
    with pytest.raises(RefusalError, match="siret: is no SIRET"):
        await inbox.replay(store, aside, datapass.clock, ADMINISTRATOR)
    assert await datapass.aside() == [aside]


async def test_a_replay_applies_an_event_once_its_cause_is_mended(
    datapass: DataPass, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(habilitations.MAX_TEXTS, "datapass_id", 3)
        await datapass.sets_aside(v1("approve", datapass.now))
    datapass.clock.advance(days=30)
    [aside] = await datapass.aside()
    answer, outcome = await inbox.replay(store, aside, datapass.clock, ADMINISTRATOR)
    [made] = await datapass.tokens()
    assert (answer, outcome) == ({"token_id": made.id}, "obeyed")
    assert await datapass.aside() == []
    async with store.reading() as connection:
        assert {act.author for act in await acts.acts(connection)} == {ADMINISTRATOR.name}


async def test_a_replay_does_not_undo_a_newer_event_unless_asked_to(
    datapass: DataPass, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(habilitations.MAX_TEXTS, "datapass_id", 3)
        await datapass.sets_aside(v1("approve", datapass.now))
    datapass.clock.advance(hours=1)
    await datapass.tells(v1("update", datapass.now, intitule="Crèche"))
    [aside] = await datapass.aside()
    assert await inbox.replay(store, aside, datapass.clock, ADMINISTRATOR) == ({}, "late")
    assert await datapass.aside() == [aside] and await datapass.tokens() == []
    assert (await inbox.replay(store, aside, datapass.clock, ADMINISTRATOR, late=True))[1] == "obeyed"
    assert (await datapass.habilitation()).state == "active" and await datapass.aside() == []


@pytest.mark.parametrize("path", [V1, V2])
async def test_what_datapass_says_besides_rights_is_kept(datapass: DataPass, path: str) -> None:
    provider = {"id": "arpege", "type": "editor", "siret": SIRET}
    if path == V1:
        member = {"type": "delegue_protection_donnees", "email": "dpo@mairie.example", "given_name": "Ada"}
        body = v1("approve", datapass.now, team_members=[member], service_provider=provider, demarche=FORM)
    else:
        officer: dict[str, Any] = {"delegue_protection_donnees_email": "dpo@mairie.example"}
        officer["delegue_protection_donnees_given_name"] = "Ada"
        body = v2("approve", datapass.now, form_uid=FORM, service_provider=provider, **officer)
    assert (await datapass.tells(body, path))[0] == 200
    own = await datapass.habilitation()
    assert (own.public_id, own.form_uid, own.description) == ("a-b-c", FORM, "Tarifs")
    assert own.service_provider == ServiceProvider("arpege", "editor", SIRET)
    assert own.data_protection_officer == Person("dpo@mairie.example", "Ada")
    assert all(contact.email != "dpo@mairie.example" for contact in own.contacts), "they get the notices"


@pytest.mark.parametrize("path", [V1, V2])
async def test_a_transfer_changes_the_demandeur_and_the_administration(datapass: DataPass, path: str) -> None:
    id_ = await datapass.approves()
    datapass.clock.advance(hours=1)
    person = {"email": "paul@ville.example", "given_name": "Paul", "family_name": "MARTIN"}
    body = (
        v1("transfer", datapass.now, siret=OTHER_SIRET, team_members=[{"type": "demandeur"} | person])
        if path == V1
        else v2("transfer", datapass.now, siret=OTHER_SIRET, applicant=person)
    )
    assert await datapass.tells(body, path) == (200, {})
    own = await datapass.habilitation()
    assert own.contacts[0] == Contact("demandeur", "paul@ville.example", "Paul MARTIN")
    assert (own.siret, own.state) == (OTHER_SIRET, "active")
    assert [token.id for token in await datapass.tokens()] == [id_]


async def test_a_transfer_to_nobody_is_set_aside(datapass: DataPass) -> None:
    body = v2("transfer", datapass.now, applicant=None)
    assert await datapass.sets_aside(body, V2) == "contacts: a transfer to nobody"


async def test_without_a_secret_every_webhook_is_refused(store: Store, clock: DatetimeClock) -> None:
    body = v1("approve", clock().timestamp())
    hooks = Webhooks(store, Secret(""), HOUR, clock)
    assert (await hooks._process("v1", body, signed(body, Secret(""))[HEADER]))[0] == 401


async def test_the_log_of_webhooks_has_no_personal_data(datapass: DataPass, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "bouquet_registry")
    await datapass.approves()
    await datapass.tells(v1("approve", datapass.now, siret="KERVALLAN"))
    assert words_of(" ".join(map(log_text_of, caplog.records))).isdisjoint({"anne", "durant", "kervallan"})


async def raw(datapass: DataPass, *headers: bytes, body: bytes = b"{}") -> int:
    """Posts an event with raw header lines that no client library would send, and returns the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", datapass.port)
    head = (b"POST %s HTTP/1.1" % V1.encode(), b"Host: x", b"Content-Length: %d" % len(body), *headers)
    writer.write(b"\r\n".join(head) + b"\r\nConnection: close\r\n\r\n" + body)
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


async def test_a_signature_header_that_is_not_text_is_refused(datapass: DataPass) -> None:
    assert await raw(datapass, b"X-Hub-Signature-256: \xff\xfe") == 401


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity", "nonsense"])
async def test_a_compressed_event_is_refused(datapass: DataPass, coding: str) -> None:
    assert await raw(datapass, b"Content-Encoding: " + coding.encode(), body=b"no gzip") == 415


@pytest.mark.parametrize("own", [{"id": "9" * 300}, {"siret": "1\0"}, {"scopes": {"a\0b": True}}])
async def test_an_event_that_no_column_holds_is_set_aside(datapass: DataPass, own: dict[str, Any]) -> None:
    await datapass.sets_aside(v1("approve", datapass.now, **own))


async def test_a_body_that_was_applied_has_no_effect_by_the_path_of_the_other_format(datapass: DataPass) -> None:
    both = json.loads(v1("approve", datapass.now)) | {"model_id": 4242}
    both["data"] |= json.loads(v2("approve", datapass.now))["data"]
    body = json.dumps(both).encode()
    _, first = await datapass.tells(body)
    datapass.clock.advance(minutes=1)
    await datapass.tells(v1("revoke", datapass.now))
    assert await datapass.tells(body, V2) == (200, first)
    assert (await datapass.habilitation()).state == "revoked"
    assert await datapass.aside() == []


async def test_control_characters_are_removed_from_a_purpose(datapass: DataPass) -> None:
    await datapass.approves(intitule="Cantine\0\r\nCliquez\x1b[2J")
    assert (await datapass.habilitation()).purpose == "Cantine Cliquez [2J"


async def test_an_event_dated_ahead_does_not_make_the_next_one_late(datapass: DataPass) -> None:
    await datapass.tells(v1("approve", datapass.now + 200))
    datapass.clock.advance(seconds=10)
    assert (await datapass.tells(v1("revoke", datapass.now)))[0] == 200
    assert (await datapass.habilitation()).state == "revoked"


@pytest.mark.parametrize("dialect", ["v1", "v2"])
async def test_an_approved_form_of_an_editor_is_delegated_to_it_once(
    datapass: DataPass, store: Store, dialect: str
) -> None:
    editor = await create_editor(store, form_uids=(FORM, "another"))
    other = await create_editor(store, form_uids=("another",))
    for event in ("submit", "approve", "approve"):
        body = (
            v1(event, datapass.now, demarche=FORM)
            if dialect == "v1"
            else v2(event, datapass.now, state="approved", form_uid=FORM)
        )
        assert (await datapass.tells(body, V1 if dialect == "v1" else V2))[0] == 200
        assert bool(await delegations_of(store, editor)) == (event == "approve")
        datapass.clock.advance(days=1)
    [made] = await delegations_of(store, editor)
    assert (made.habilitation, made.created_by, made.created_why) == (
        (await datapass.habilitation()).id,
        "DataPass",
        "approve",
    )
    assert await delegations_of(store, other) == []


async def test_a_form_of_an_editor_that_takes_no_delegations_is_approved_without_one(
    datapass: DataPass, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    editor = await create_editor(store, form_uids=(FORM,), delegable=False)
    assert await datapass.approves(demarche=FORM)
    assert await delegations_of(store, editor) == []
    assert "editor of a form takes no delegations" in caplog.messages


async def test_a_new_approval_delegates_again_after_a_revoked_delegation(datapass: DataPass, store: Store) -> None:
    editor = await create_editor(store, form_uids=(FORM,))
    await datapass.approves(demarche=FORM)
    [former] = await delegations_of(store, editor)
    await withdraw(store, former)
    datapass.clock.advance(days=1)
    await datapass.approves(demarche=FORM)
    assert len(await delegations_of(store, editor, revoked=False)) == 1
