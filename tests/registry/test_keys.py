"""Tests that the texts signed by a withdrawn key are refused, and that tokens can be signed again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bouquet_gateway.access.credentials import Credential
from bouquet_gateway.access.tokens import CredentialRefusal, Token, TokenVerifier, named_keys
from bouquet_mesh.secret import Secret
from bouquet_registry import changes
from bouquet_registry.acts import Author
from bouquet_registry.administration import Administration
from bouquet_registry.editors.administration import editor_administration_of
from bouquet_registry.keys.administration import KeyAdministration
from bouquet_registry.refusals import InvalidFields, RefusalError
from bouquet_registry.store import Store, open_store, upgrade
from bouquet_registry.token_signing import Signer, new_key, verification_keys
from tests.registry.api_client import ApiClient, api_client
from tests.support.administrative_acts import recorded_acts
from tests.support.awaited_outcome import until_outcome
from tests.support.clock import DatetimeClock
from tests.support.editors import create_editor
from tests.support.former_revisions import BACK_TO_REVISION_0009
from tests.support.gateway_client import TOKEN_KEY
from tests.support.habilitations import ADMINISTRATOR, SIRET, create_habilitation, issue_token, revoke_token
from tests.support.import_files import habilitation_line, import_file, import_records, record_id, token_line
from tests.support.mesh_with_registry import SCOPES, CountingBus, MeshWithRegistry
from tests.support.registry_commands import Run, refused_command
from tests.support.unstored_token import HABILITATION, TOKEN

LEAKED, NEXT = Secret(new_key("2026-01")), Secret(new_key("2026-02"))
BOTH = Secret(verification_keys(NEXT, verification_keys(LEAKED).encode()))
"""Key set of the gateways, which verifies texts signed with either key."""


def administration(store: Store, key: Secret, **options: Any) -> Administration:
    return Administration(store, key, **options)


def keys_of(store: Store, key: Secret = LEAKED) -> KeyAdministration:
    return KeyAdministration(administration(store, key))


@pytest.fixture
async def api(store: Store, clock: DatetimeClock) -> AsyncIterator[ApiClient]:
    async with api_client(store, clock) as client:
        yield client


async def test_a_withdrawn_key_s_texts_are_refused_and_the_same_token_is_signed_again(here: MeshWithRegistry) -> None:
    own = await create_habilitation(here.store, scopes=SCOPES)
    former = await administration(here.store, LEAKED).issue(ADMINISTRATOR, own.id)
    gates = [await here.start_gateway(token_keys=BOTH) for _ in range(2)]
    assert [await gate.outcome(former.jwt) for gate in gates] == ["200", "200"]
    await keys_of(here.store).withdraw(ADMINISTRATOR, "2026-01")
    for gate in gates:
        await until_outcome(gate, former.jwt, "401 00105")
    assert await (await here.start_gateway(token_keys=BOTH)).outcome(former.jwt) == "401 00105"
    (again,) = await keys_of(here.store, NEXT).reissue(ADMINISTRATOR, "2026-01")
    assert again.token.id == former.token.id
    assert [await gate.outcome(again.jwt) for gate in gates] == ["200", "200"]
    assert {act.act for act in await recorded_acts(here.store, again.token.id)} == {"token issue", "token reveal"}


async def test_a_restored_key_s_texts_are_accepted_again(here: MeshWithRegistry) -> None:
    own = await create_habilitation(here.store, scopes=SCOPES)
    issued = await administration(here.store, LEAKED).issue(ADMINISTRATOR, own.id)
    gate = await here.start_gateway(token_keys=BOTH)
    await keys_of(here.store).withdraw(ADMINISTRATOR, "2026-01")
    await until_outcome(gate, issued.jwt, "401 00105")
    await keys_of(here.store).restore(ADMINISTRATOR, "2026-01")
    await until_outcome(gate, issued.jwt, "200")
    assert {act.act for act in await recorded_acts(here.store, "2026-01")} == {"key withdraw", "key restore"}


async def test_the_secret_without_a_name_is_withdrawn_by_an_empty_name(here: MeshWithRegistry) -> None:
    own = await create_habilitation(here.store, scopes=SCOPES)
    shared = await administration(here.store, TOKEN_KEY).issue(ADMINISTRATOR, own.id)
    named = await administration(here.store, NEXT).issue(ADMINISTRATOR, own.id)
    gate = await here.start_gateway(token_keys=BOTH)
    await keys_of(here.store).withdraw(ADMINISTRATOR, "")
    await until_outcome(gate, shared.jwt, "401 00105")
    assert await gate.outcome(named.jwt) == "200"


async def test_a_token_is_refused_while_a_new_gateway_does_not_know_the_withdrawn_keys(here: MeshWithRegistry) -> None:
    own = await create_habilitation(here.store, scopes=SCOPES)
    issued = await administration(here.store, LEAKED).issue(ADMINISTRATOR, own.id)
    await keys_of(here.store).withdraw(ADMINISTRATOR, "2026-01")
    await here.close_registry()
    overheard = CountingBus(here.bus)
    gate = await here.start_gateway(token_keys=BOTH, bus=overheard)
    calling = asyncio.create_task(gate.outcome(issued.jwt))
    await here.open_registry()
    assert await calling in ("401 00105", "502 00520")
    assert overheard.tokens == []


async def test_a_gateway_of_a_former_release_reads_of_a_withdrawn_key_s_tokens_that_they_are_blacklisted(
    store: Store,
) -> None:
    own, editor = await create_habilitation(store), await create_editor(store)
    issued = await administration(store, LEAKED).issue(ADMINISTRATOR, own.id)
    of_editor = await editor_administration_of(administration(store, LEAKED)).issue(ADMINISTRATOR, editor.id)
    other = await administration(store, NEXT).issue(ADMINISTRATOR, own.id)
    concerned = {issued.token.id, of_editor.token.id}

    async def blacklisted(*, refuses_withdrawn: bool = False) -> set[str]:
        async with store.reading() as connection:
            found = {
                id_: (await changes.find_token(connection, id_, refuses_withdrawn=refuses_withdrawn))[0]
                for id_ in (*concerned, other.token.id)
            }
        return {id_ for id_, known in found.items() if known and known.blacklisted_at == 0.0}

    async def changed_by(act: Any) -> set[str]:
        async with store.reading() as connection:
            log, number = await changes.log_position(connection)
        await act
        async with store.reading() as connection:
            return set((await changes.changes_since(connection, log, number)).tokens or ())

    assert await blacklisted() == set()
    assert await changed_by(keys_of(store).withdraw(ADMINISTRATOR, "2026-01")) == concerned
    assert await blacklisted() == concerned
    assert await blacklisted(refuses_withdrawn=True) == set()
    await keys_of(store, NEXT).reissue(ADMINISTRATOR, "2026-01")
    assert await blacklisted() == concerned  # such a gateway cannot tell the new text from the former
    assert await changed_by(keys_of(store).restore(ADMINISTRATOR, "2026-01")) == concerned
    assert await blacklisted() == set()


async def test_a_token_of_an_unrecorded_key_is_blacklisted_at_a_gateway_of_a_former_release(
    store: Store, tmp_path: Path
) -> None:
    await import_records(store, import_file(tmp_path, habilitation_line(1), token_line(1), token_line(2, kid="former")))
    await keys_of(store).withdraw(ADMINISTRATOR, "2026-01")
    async with store.reading() as connection:
        unrecorded, recorded_key = [
            (await changes.find_token(connection, record_id(2, number), refuses_withdrawn=False))[0]
            for number in (1, 2)
        ]
    assert unrecorded
    assert recorded_key
    assert (unrecorded.blacklisted_at, recorded_key.blacklisted_at) == (0.0, None)


def test_a_key_that_has_two_names_is_refused_under_both() -> None:
    secret = "s" * 40
    named = Secret('{"kty": "oct", "kid": "old", "k": "' + "c3Nz" * 13 + 'cw"}')
    verifier = TokenVerifier(Secret(secret), named_keys=named_keys(Secret(verification_keys(named))))
    text = _signed_with(Secret(secret))
    assert isinstance(verifier.read(text), Token)
    assert verifier.withdraw(("old",))
    assert verifier.read(text) == CredentialRefusal("token_blacklisted")
    assert not verifier.withdraw(("old", "another"))
    assert verifier.withdraw(())
    assert isinstance(verifier.read(text), Token)


def _signed_with(key: Secret) -> Credential:
    return Credential("bearer", Signer(key).sign(TOKEN, HABILITATION))


async def test_a_withdrawn_key_signs_nothing_more(store: Store) -> None:
    own, editor = await create_habilitation(store), await create_editor(store)
    leaked = administration(store, LEAKED)
    issued = await leaked.issue(ADMINISTRATOR, own.id)
    of_editor = await editor_administration_of(leaked).issue(ADMINISTRATOR, editor.id)
    await keys_of(store).withdraw(ADMINISTRATOR, "2026-01")
    for attempt in (
        leaked.issue(ADMINISTRATOR, own.id),
        leaked.text(ADMINISTRATOR, issued.token.id),
        editor_administration_of(leaked).issue(ADMINISTRATOR, editor.id),
        editor_administration_of(leaked).text(ADMINISTRATOR, of_editor.token.id),
        keys_of(store).reissue(ADMINISTRATOR, "2026-01"),
        keys_of(store).withdraw(ADMINISTRATOR, "2026-01"),
    ):
        with pytest.raises(RefusalError):
            await attempt
    assert {one.token.id for one in await keys_of(store, NEXT).reissue(ADMINISTRATOR, "2026-01")} == {
        issued.token.id,
        of_editor.token.id,
    }


async def test_the_tokens_of_a_key_are_those_in_force_and_those_of_unrecorded_keys(
    store: Store, tmp_path: Path
) -> None:
    own = await create_habilitation(store, name="B")
    leaked = administration(store, LEAKED)
    issued = [(await leaked.issue(ADMINISTRATOR, own.id)).token for _ in range(2)]
    await revoke_token(store, issued[0])
    await administration(store, NEXT).issue(ADMINISTRATOR, own.id)
    await issue_token(store)  # has no text yet, as after an event of DataPass
    lines = [token_line(1), token_line(2, kid="2026-01"), token_line(3, kid="former")]
    await import_records(store, import_file(tmp_path, habilitation_line(1, name="A"), *lines))
    found = {one.id: one.is_recorded for one in await keys_of(store).tokens("2026-01")}
    assert found == {issued[1].id: True, record_id(2, 1): False, record_id(2, 2): True}
    assert [(key.kid, key.is_current, key.tokens) for key in await keys_of(store, NEXT).keys()] == [
        ("2026-01", False, 2),
        ("2026-02", True, 1),
        ("former", False, 1),
    ]


@pytest.mark.parametrize("kid", ["?", "a\nb", "é", "k" * 256])
async def test_a_text_that_is_no_name_of_a_key_is_not_withdrawn(store: Store, kid: str) -> None:
    with pytest.raises(InvalidFields):
        await keys_of(store).withdraw(Author("Anne Durant"), kid)


async def test_the_api_withdraws_a_key_lists_its_tokens_and_restores_it(api: ApiClient, store: Store) -> None:
    own = await create_habilitation(store)
    issued = [(await api.act("POST", f"/habilitations/{own.id}/tokens")).json["token"]["id"] for _ in range(3)]
    (key,) = (await api.get("/keys")).json["data"]
    assert (key["kid"], key["is_current"], key["tokens"], key["withdrawn_at"]) == ("", True, 3, None)
    page = (await api.get("/keys/tokens", kid="", limit="2")).json
    rest = (await api.get("/keys/tokens", kid="", limit="2", cursor=page["next"])).json
    assert sorted(one["id"] for one in (*page["data"], *rest["data"])) == sorted(issued)
    withdrawn = await api.act("POST", "/keys/withdraw", kid="")
    assert (withdrawn.status, withdrawn.json["withdrawn_by"]) == (200, "Anne Durant")
    assert (await api.act("POST", "/keys/withdraw", kid="")).errors == {("refused", "")}
    assert (await api.act("POST", f"/habilitations/{own.id}/tokens")).errors == {("refused", "")}
    assert (await api.act("POST", "/keys/restore", kid="")).json["withdrawn_at"] is None
    assert (await api.act("POST", "/keys/restore", kid="")).errors == {("unknown_record", "")}


def test_commands_withdraw_a_key_and_sign_its_tokens_again(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run("habilitation", "create", "--siret", SIRET, "--name", "MAIRIE")
    issued = run("token", "issue", made["id"])
    assert run("key", "withdraw", "", "--why", "leaked")["withdrawn_why"] == "leaked"
    assert "is withdrawn" in refused_command(capsys, "token", "show", issued["id"], "--reveal")
    monkeypatch.setenv("BOUQUET_REGISTRY_SIGNING_KEY", NEXT.reveal())
    (again,) = run("key", "reissue", "", "--why", "leaked")
    assert (again["id"], again["name"]) == (issued["id"], "MAIRIE")
    assert again["jwt"] != issued["jwt"]
    assert [key["kid"] for key in run("key", "list")] == ["", "2026-02"]
    assert run("key", "restore", "")["tokens"] == 1


async def test_tokens_that_exist_at_the_migration_may_be_of_any_key(empty_database: Secret) -> None:
    await upgrade(empty_database)
    async with open_store(empty_database) as store:
        issued = await issue_token(store)
        async with store.writing() as connection:
            for statement in BACK_TO_REVISION_0009:
                await connection.exec_driver_sql(statement)
    await upgrade(empty_database)
    async with open_store(empty_database) as store:
        (found,) = await keys_of(store).tokens("2026-01")
    assert (found.id, found.is_recorded) == (issued.id, False)
