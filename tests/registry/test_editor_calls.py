"""Tests that a call with an editor's token has the rights of the habilitation that was delegated to the editor."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bouquet_gateway.access import registry_client
from bouquet_gateway.access.registry_answers import ASK_TIMEOUT_S
from bouquet_gateway.journal.record import REFUSALS_PER_MINUTE
from bouquet_mesh.outbox.memory import MemoryOutbox
from bouquet_mesh.secret import Secret
from bouquet_proto import access_record
from bouquet_proto.registry_messages import GroupLimit
from bouquet_registry import transactions
from bouquet_registry.clock import utc_now
from bouquet_registry.editors import changes
from bouquet_registry.editors.records import Editor, EditorToken
from bouquet_registry.habilitations import Habilitation
from bouquet_registry.store import Store
from tests.support import habilitations
from tests.support.editors import create_editor, delegate, issue_editor_token, withdraw
from tests.support.gateway import HOST
from tests.support.gateway_client import TOKEN_KEY, Answer, gateway_client
from tests.support.habilitations import ADMINISTRATOR, SIRET, change_habilitation
from tests.support.mesh_with_journal import journal_settings
from tests.support.mesh_with_registry import (
    PATH,
    SCOPES,
    AcmeClient,
    MeshWithRegistry,
    mesh_with_registry,
    signed_token,
)
from tests.support.offers import DURANT
from tests.support.outbox_collector import collecting
from tests.support.processes import running_command
from tests.support.redis import RedisServer
from tests.support.waiting import TEST_TIMEOUT_S, until

OTHER_SIRET = "21750001600019"
LONG_AGO = datetime(1999, 1, 1, tzinfo=UTC)
"""Time of issue for tokens that must be expired, even for a test gateway whose clock is fixed in 2001."""
LIST = "/editeur/api/v1/delegations"


class Caller:
    """An editor that calls a gateway."""

    def __init__(self, gate: AcmeClient, token: EditorToken) -> None:
        self._gate = gate
        self.text = signed_token(token.id)

    async def call(self, recipient: str = SIRET, path: str = PATH, **parameters: str) -> Answer:
        """Calls an operation with the editor's token. `recipient` is the SIRET of the organisation that gets the
        data."""
        person = {name: value for name, value in DURANT.items() if name != "recipient"}
        return await self._gate.get(path, {**person, "recipient": recipient, **parameters}, token=self.text)

    async def outcome(self, recipient: str = SIRET, **parameters: str) -> str:
        """Calls an operation. Returns `200` if the call succeeds, or else the status and the code of the error, as in
        `401 00103`."""
        answer = await self.call(recipient, **parameters)
        return "200" if answer.status == 200 else f"{answer.status} {answer.error['code']}"

    async def becomes(self, wanted: str, recipient: str = SIRET, **parameters: str) -> None:
        """Repeats a call until its outcome, as returned by `outcome`, is `wanted`."""
        async with asyncio.timeout(TEST_TIMEOUT_S):
            while await self.outcome(recipient, **parameters) != wanted:  # noqa: ASYNC110 - a gateway signals no event
                await asyncio.sleep(0.01)


def siret_of(number: int) -> str:
    """Returns a valid SIRET that ends with `number`. Its prefix is La Poste's, whose SIRETs need no checksum."""
    return f"356000000{number:05}"


async def habilitation(store: Store, **fields: Any) -> Habilitation:
    return await habilitations.create_habilitation(store, **{"scopes": SCOPES} | fields)


@pytest.fixture
async def editor(here: MeshWithRegistry) -> Editor:
    return await create_editor(here.store)


async def caller_of(here: MeshWithRegistry, editor: Editor, gate: AcmeClient | None = None, **fields: Any) -> Caller:
    return Caller(gate or await here.start_gateway(), await issue_editor_token(here.store, editor, **fields))


async def test_a_call_by_an_editor_has_the_scopes_of_the_habilitation(here: MeshWithRegistry, editor: Editor) -> None:
    await delegate(here.store, editor, await habilitation(here.store, scopes=("acme_dossier",)))
    caller = await caller_of(here, editor)
    answer = await caller.call()
    assert answer.json["data"] == {"numero": "1", "titulaire": {"nom": "DURANT"}}
    assert here.acme.requests[0].caller.recipient == SIRET


async def test_one_token_of_an_editor_calls_for_three_hundred_habilitations(
    here: MeshWithRegistry, editor: Editor
) -> None:
    async with transactions.begin(here.store, ADMINISTRATOR) as transaction:
        for number in range(300):
            own = await transaction.create(siret=siret_of(number), name=f"MAIRIE {number}", scopes=SCOPES)
            await changes.delegate(transaction, editor, own)
    caller = await caller_of(here, editor)
    for beginning in range(0, 300, 20):
        calls = (caller.outcome(siret_of(beginning + number)) for number in range(20))
        assert set(await asyncio.gather(*calls)) == {"200"}
    assert {request.caller.recipient for request in here.acme.requests} == {siret_of(n) for n in range(300)}
    marks = {request.caller.mark for request in here.acme.requests}
    assert len(marks) == 300  # a provider's worker tells apart the habilitations, not the editor's token
    assert await caller.outcome(siret_of(300)) == "403 00213"


async def test_a_recipient_that_delegates_nothing_is_00213(here: MeshWithRegistry, editor: Editor) -> None:
    await delegate(here.store, editor, await habilitation(here.store))
    answer = await (await caller_of(here, editor)).call(OTHER_SIRET)
    assert (answer.status, answer.error) == (
        403,
        {
            "code": "00213",
            "title": "Accès refusé",
            "detail": "Le paramètre recipient ne correspond à aucune habilitation déléguée à cet éditeur. Une "
            "délégation ne permet d'appeler que pour le compte de l'organisation ayant délégué son habilitation.",
            "meta": {},
        },
    )


async def test_several_delegations_of_one_recipient_are_told_apart_by_delegation_id(
    here: MeshWithRegistry, editor: Editor
) -> None:
    [narrow, _] = await delegate(
        here.store,
        editor,
        await habilitation(here.store, scopes=("acme_dossier",)),
        await habilitation(here.store),
    )
    caller = await caller_of(here, editor)
    answer = await caller.call()
    assert (answer.status, answer.error) == (
        422,
        {
            "code": "00212",
            "title": "Entité non traitable",
            "detail": "Plusieurs délégations actives existent pour ce SIRET. Le paramètre delegation_id est requis "
            "pour identifier la délégation.",
            "source": {"parameter": "delegation_id"},
            "meta": {},
        },
    )
    for given in (narrow.id, narrow.id.upper()):
        answer = await caller.call(delegation_id=given)
        assert answer.json["data"] == {"numero": "1", "titulaire": {"nom": "DURANT"}}


async def test_a_delegation_id_that_is_not_one_of_the_recipient_s_is_00213(
    here: MeshWithRegistry, editor: Editor
) -> None:
    other = await create_editor(here.store)
    [foreign] = await delegate(here.store, other, await habilitation(here.store))
    [elsewhere] = await delegate(here.store, editor, await habilitation(here.store, siret=OTHER_SIRET))
    [revoked, own] = await delegate(here.store, editor, await habilitation(here.store), await habilitation(here.store))
    await withdraw(here.store, revoked)
    caller = await caller_of(here, editor)
    assert await caller.outcome(delegation_id=own.id) == "200"
    for wrong in ("nonsense", str(uuid.uuid4()), foreign.id, elsewhere.id, revoked.id):
        assert await caller.outcome(delegation_id=wrong) == "403 00213"


async def test_checks_of_an_editor_s_call_come_in_the_order_of_the_contract(
    here: MeshWithRegistry, editor: Editor
) -> None:
    await delegate(
        here.store, editor, await habilitation(here.store, scopes=("another",)), await habilitation(here.store)
    )
    await delegate(here.store, editor, await habilitation(here.store, siret=OTHER_SIRET, scopes=("another",)))
    caller = await caller_of(here, editor)
    assert (await caller.call(path="/nowhere")).status == 404
    for wrong in ("", "1", SIRET[:-1] + "0"):
        assert await caller.outcome(wrong, delegation_id="nonsense") == "422 00210"
    assert await caller.outcome(nomNaissance="") == "422 00212"
    assert await caller.outcome(siret_of(1), nomNaissance="") == "403 00213"
    assert await caller.outcome(OTHER_SIRET, nomNaissance="") == "403 00100"
    assert await caller.outcome(OTHER_SIRET, path="/v9/acme/dossier/identite") == "403 00100"


async def test_answers_to_an_editor_and_to_the_holder_s_token_at_once_have_the_fields_of_each_one_s_scopes(
    here: MeshWithRegistry, editor: Editor
) -> None:
    await delegate(here.store, editor, await habilitation(here.store, scopes=("acme_dossier",)))
    gate = await here.start_gateway()
    caller, holder = await caller_of(here, editor, gate), signed_token(await here.issue_token())
    own, acting = await asyncio.gather(gate.call(holder), caller.call())
    assert own.json["data"]["titulaire"] == {"nom": "DURANT", "age": 30}
    assert acting.json["data"]["titulaire"] == {"nom": "DURANT"}


async def test_an_editor_s_token_has_no_rights_on_version_2(here: MeshWithRegistry, editor: Editor) -> None:
    await delegate(here.store, editor, await habilitation(here.store))
    caller = await caller_of(here, editor)
    answer = await caller.call(path="/api/v2/dossier-acme", nom="DURANT")
    assert (answer.status, answer.json["error"]) == (401, "access_denied")


async def test_introspection_of_an_editor_s_token_shows_no_scopes(here: MeshWithRegistry, editor: Editor) -> None:
    caller = await caller_of(here, editor)
    answer = await caller.call(path="/api/introspect")
    assert (answer.status, answer.json["scopes"]) == (200, [])


async def test_a_delegation_id_has_no_effect_with_another_token(here: MeshWithRegistry) -> None:
    issued = await here.issue_token()
    gate = await here.start_gateway()
    answer = await gate.get(PATH, {**DURANT, "delegation_id": "nonsense"}, token=signed_token(issued))
    assert answer.status == 200


@pytest.mark.parametrize("end", ["delegation", "habilitation", "editor", "token"])
async def test_a_revocation_ends_an_editor_s_calls(here: MeshWithRegistry, editor: Editor, end: str) -> None:
    holder = await here.issue_token()
    [made] = await delegate(here.store, editor, await habilitations.habilitation_of(here.store, holder))
    token = await issue_editor_token(here.store, editor)
    caller = Caller(await here.start_gateway(), token)
    assert await caller.outcome() == "200"
    async with transactions.begin(here.store, ADMINISTRATOR) as transaction:
        match end:
            case "delegation":
                await changes.withdraw(transaction, made)
            case "editor":
                await changes.change_editor(transaction, editor, state="archived")
            case "token":
                await changes.revoke_token(transaction, token, "leaked")
    if end == "habilitation":
        await change_habilitation(here.store, holder, state="revoked")
    await caller.becomes("401 00105" if end in ("editor", "token") else "403 00213")


async def test_a_rotated_token_works_until_the_grace_period_ends(here: MeshWithRegistry, editor: Editor) -> None:
    await delegate(here.store, editor, await habilitation(here.store))
    token = await issue_editor_token(here.store, editor)
    gate = await here.start_gateway()
    async with transactions.begin(here.store, ADMINISTRATOR) as transaction:
        made, former = await changes.rotate_token(transaction, token, timedelta(seconds=3))
    assert await Caller(gate, made).outcome() == "200"
    await Caller(gate, token).becomes("401 00105")
    assert former.blacklisted_at is not None
    assert utc_now() >= former.blacklisted_at
    assert await Caller(gate, made).outcome() == "200"


async def test_a_new_delegation_and_changed_rights_take_effect(here: MeshWithRegistry, editor: Editor) -> None:
    holder = await here.issue_token()
    caller = await caller_of(here, editor)
    assert await caller.outcome() == "403 00213"
    await delegate(here.store, editor, await habilitations.habilitation_of(here.store, holder))
    await caller.becomes("200")
    await change_habilitation(here.store, holder, scopes=("another",))
    await caller.becomes("403 00100")
    await change_habilitation(here.store, holder, siret=OTHER_SIRET, scopes=SCOPES)
    await caller.becomes("403 00213")
    assert await caller.outcome(OTHER_SIRET) == "200"


async def test_an_editor_calls_from_addresses_of_its_token_and_of_the_habilitation(
    here: MeshWithRegistry, editor: Editor
) -> None:
    await delegate(here.store, editor, await habilitation(here.store, allowed_ips=("192.0.2.1",)))
    await delegate(here.store, editor, await habilitation(here.store, siret=OTHER_SIRET))
    gate = await here.start_gateway()
    anywhere = await caller_of(here, editor, gate)
    assert (await anywhere.outcome(), await anywhere.outcome(OTHER_SIRET)) == ("403 00107", "200")
    elsewhere = await caller_of(here, editor, gate, allowed_ips=("192.0.2.1",))
    assert await elsewhere.outcome(OTHER_SIRET) == "403 00107"


async def test_calls_by_an_editor_count_for_the_habilitation(here: MeshWithRegistry, editor: Editor) -> None:
    await delegate(here.store, editor, await habilitation(here.store, calls_per_minute=3))
    await delegate(here.store, editor, await habilitation(here.store, siret=OTHER_SIRET))
    gate = await here.start_gateway(epoch_s=lambda: 1_000_000_039.5)
    first, second = await caller_of(here, editor, gate), await caller_of(here, editor, gate)
    told = [await one.outcome() for one in (first, second, first, second, first)]
    assert told == ["200"] * 3 + ["429 00429"] * 2
    assert await first.outcome(OTHER_SIRET) == "200"


async def test_a_call_that_acts_for_none_counts_for_the_editor_s_token(here: MeshWithRegistry, editor: Editor) -> None:
    gate = await here.start_gateway(calls_per_second=2, epoch_s=lambda: 1_000_000_039.5)
    caller = await caller_of(here, editor, gate)
    told = [await caller.outcome(siret_of(number)) for number in range(3)]
    assert told == ["403 00213"] * 2 + ["429 00429"]


async def test_an_editor_s_calls_for_unknown_recipients_are_limited_over_all_its_tokens(
    here: MeshWithRegistry, editor: Editor
) -> None:
    other = await create_editor(here.store)
    await delegate(here.store, editor, await habilitation(here.store))
    settings: dict[str, Any] = {"unknown_recipients_per_minute": 2, "calls_per_second": 100}
    gate = await here.start_gateway(epoch_s=lambda: 1_000_000_039.5, **settings)
    first, second = await caller_of(here, editor, gate), await caller_of(here, editor, gate)
    told = [await one.outcome(siret_of(number)) for number, one in enumerate((first, second, first, second))]
    assert told == ["403 00213"] * 2 + ["429 00429"] * 2
    answer = await first.call(siret_of(9))
    assert (answer.headers["Retry-After"], answer.error["meta"]) == ("41", {"retry_in": 41})
    assert await (await caller_of(here, other, gate)).outcome(siret_of(9)) == "403 00213"
    assert (await first.call(siret_of(9), path="/api/introspect")).status == 200


async def test_a_served_recipient_passes_while_unknown_ones_are_refused(here: MeshWithRegistry, editor: Editor) -> None:
    await delegate(here.store, editor, await habilitation(here.store))
    now = [1_000_000_039.5]
    gate = await here.start_gateway(epoch_s=lambda: now[0], unknown_recipients_per_minute=1, calls_per_second=100)
    caller = await caller_of(here, editor, gate)
    assert await caller.outcome() == "200"
    assert [await caller.outcome(siret_of(number)) for number in range(2)] == ["403 00213", "429 00429"]
    assert await caller.outcome() == "200"
    assert await caller.outcome(delegation_id=str(uuid.uuid4())) == "403 00213"
    now[0] += 60
    assert await caller.outcome(siret_of(2)) == "403 00213"


async def test_the_registry_is_not_asked_about_unknown_recipients_above_the_limit(
    here: MeshWithRegistry, editor: Editor
) -> None:
    gate = await here.start_gateway(
        epoch_s=lambda: 1_000_000_039.5, unknown_recipients_per_minute=1, calls_per_second=100
    )
    caller = await caller_of(here, editor, gate)
    assert [await caller.outcome(siret_of(number)) for number in range(2)] == ["403 00213", "429 00429"]
    await delegate(here.store, editor, await habilitation(here.store, siret=siret_of(3)))
    assert await caller.outcome(siret_of(3)) == "429 00429"


async def test_an_expired_token_of_an_editor_uses_up_no_calls_of_the_habilitation(
    here: MeshWithRegistry, editor: Editor
) -> None:
    await delegate(here.store, editor, await habilitation(here.store))
    gate = await here.start_gateway(calls_per_second=2, epoch_s=lambda: 1_000_000_039.5)
    expired = await caller_of(here, editor, gate, clock=lambda: LONG_AGO)
    assert [await expired.outcome() for _ in range(3)] == ["401 00103"] * 2 + ["429 00429"]
    assert await (await caller_of(here, editor, gate)).outcome() == "200"


async def test_an_expired_token_uses_up_no_calls_of_its_habilitation(here: MeshWithRegistry) -> None:
    own = await habilitation(here.store)
    async with transactions.begin(here.store, ADMINISTRATOR, lambda: LONG_AGO) as transaction:
        expired = await transaction.issue(own)
    async with transactions.begin(here.store, ADMINISTRATOR) as transaction:
        valid = await transaction.issue(own)
    gate = await here.start_gateway(calls_per_second=2, rate_limit_per="habilitation", epoch_s=lambda: 1_000_000_039.5)
    assert [await gate.outcome(signed_token(expired)) for _ in range(2)] == ["401 00103"] * 2
    assert await gate.outcome(signed_token(valid)) == "200"


@pytest.mark.parametrize("per", ["token", "habilitation"])
async def test_tokens_of_a_habilitation_share_a_budget_if_the_setting_says_so(
    here: MeshWithRegistry, editor: Editor, per: str
) -> None:
    holder = await here.issue_token()
    own = await habilitations.habilitation_of(here.store, holder)
    async with transactions.begin(here.store, ADMINISTRATOR) as transaction:
        second = await transaction.issue(own)
    await delegate(here.store, editor, own)
    gate = await here.start_gateway(calls_per_second=2, rate_limit_per=per, epoch_s=lambda: 1_000_000_039.5)
    caller = await caller_of(here, editor, gate)
    told = [
        await gate.outcome(signed_token(holder)),
        await gate.outcome(signed_token(second)),
        await caller.outcome(),
        await gate.outcome(signed_token(second)),
    ]
    assert told == (["200"] * 4 if per == "token" else ["200"] * 2 + ["429 00429"] * 2)


@pytest.mark.parametrize(
    "limits", [{"calls_per_minute": 2}, {"calls_per_second": 2}, {"group_limits": (GroupLimit("/v3/acme/", 2),)}]
)
async def test_the_tokens_of_a_habilitation_share_its_own_limits(
    here: MeshWithRegistry, editor: Editor, limits: dict[str, Any]
) -> None:
    own = await habilitation(here.store, **limits)
    await delegate(here.store, editor, own)
    async with transactions.begin(here.store, ADMINISTRATOR) as transaction:
        first, second = [signed_token(await transaction.issue(own)) for _ in range(2)]
    gate = await here.start_gateway(epoch_s=lambda: 1_000_000_039.5)
    caller = await caller_of(here, editor, gate)
    told = [await gate.outcome(first), await caller.outcome(), await gate.outcome(second)]
    assert told == ["200", "200", "429 00429"]


async def test_a_habilitation_s_own_limits_take_effect(here: MeshWithRegistry) -> None:
    holder = await here.issue_token()
    gate = await here.start_gateway(calls_per_second=20, epoch_s=lambda: 1_000_000_039.5)
    text = signed_token(holder)
    assert (await gate.call(text)).headers["RateLimit-Limit"] == "20"
    await change_habilitation(here.store, holder, calls_per_second=50)
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while (await gate.call(text)).headers["RateLimit-Limit"] != "50":  # noqa: ASYNC110 - a gateway signals no event
            await asyncio.sleep(0.01)
    limits = (GroupLimit("/v3/acme/", 1), GroupLimit("/v3/other/", 0))
    await change_habilitation(here.store, holder, calls_per_second=1000, group_limits=limits)
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while (answer := await gate.call(text)).headers["RateLimit-Limit"] != "1":  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    assert answer.status == 200  # the first call that is counted for the group
    assert await gate.outcome(text) == "429 00429"
    assert (await gate.call(text, "/v3/elsewhere")).status == 404


async def test_the_journal_keeps_habilitation_token_and_recipient_of_an_editor_s_call(
    here: MeshWithRegistry, editor: Editor, tmp_path: Path
) -> None:
    own = await habilitation(here.store)
    await delegate(here.store, editor, own)
    outbox = MemoryOutbox()
    token = await issue_editor_token(here.store, editor)
    async with collecting(outbox) as archive:
        caller = Caller(await here.start_gateway(outbox, **journal_settings(tmp_path / "spool")), token)
        assert await caller.outcome() == "200"
        assert await caller.outcome(OTHER_SIRET) == "403 00213"
        await until(lambda: len(archive.bodies) == 2)
    served, refused = sorted(map(access_record.decode, archive.bodies), key=lambda access: access.at)
    assert (served.habilitation, served.token, served.recipient) == (own.id, token.id, SIRET)
    assert (refused.habilitation, refused.token, refused.code) == ("", token.id, "00213")


async def test_refusals_for_one_habilitation_do_not_hide_another_s_from_the_journal(
    here: MeshWithRegistry, editor: Editor, tmp_path: Path
) -> None:
    other = await habilitation(here.store, siret=OTHER_SIRET, scopes=("another",))
    await delegate(here.store, editor, await habilitation(here.store, scopes=("another",)), other)
    token, outbox = await issue_editor_token(here.store, editor), MemoryOutbox()
    async with collecting(outbox) as archive:
        settings = journal_settings(tmp_path / "spool")
        caller = Caller(await here.start_gateway(outbox, calls_per_second=1000, **settings), token)
        for _ in range(2 * REFUSALS_PER_MINUTE + 1):  # more than a minute's records, even if a new minute begins
            assert await caller.outcome() == "403 00100"
        assert await caller.outcome(OTHER_SIRET) == "403 00100"
        await until(lambda: other.id in {access_record.decode(body).habilitation for body in archive.bodies})


async def test_an_unanswered_question_about_delegations_is_a_502(here: MeshWithRegistry, editor: Editor) -> None:
    await delegate(here.store, editor, await habilitation(here.store))
    token = await issue_editor_token(here.store, editor)
    caller = Caller(await here.start_gateway(), token)
    assert await caller.outcome() == "200"
    await here.close_registry()
    assert await caller.outcome() == "200"  # remembered
    assert await caller.outcome(OTHER_SIRET) == "502 00520"


async def test_an_editor_lists_its_delegations(here: MeshWithRegistry, editor: Editor) -> None:
    own = await habilitation(here.store, datapass_id="4242", purpose="Cantine")
    [former] = await delegate(here.store, editor, own)
    await withdraw(here.store, former)
    await delegate(here.store, editor, *[await habilitation(here.store) for _ in range(4)])
    gate = await here.start_gateway()
    text = (await caller_of(here, editor, gate)).text
    answer = await gate.get(LIST, {}, token=text)
    assert answer.status == 200
    assert answer.json["meta"] == {"page": 1, "per_page": 50, "total": 5, "total_pages": 1}
    assert sorted(one["statut"] for one in answer.json["data"]) == ["active"] * 4 + ["revoked"]
    [told] = [one for one in answer.json["data"] if one["id"] == former.id]
    assert told == {
        "id": former.id,
        "siret": SIRET,
        "intitule": "Cantine",
        "scopes": list(SCOPES),
        "statut": "revoked",
        "created_at": former.created_at.isoformat().replace("+00:00", "Z"),
        "authorization_request_id": "4242",
    }
    pages = [(await gate.get(LIST, {"page": str(n), "per_page": "2"}, token=text)).json for n in (1, 2, 3, 4)]
    assert [len(page["data"]) for page in pages] == [2, 2, 1, 0]
    assert pages[0]["meta"] == {"page": 1, "per_page": 2, "total": 5, "total_pages": 3}
    for wanted, given in (("101", 100), ("0", 50), ("-3", 50), ("x", 50)):
        meta = (await gate.get(LIST, {"per_page": wanted, "page": "-1"}, token=text)).json["meta"]
        assert (meta["page"], meta["per_page"]) == (1, given)


async def test_the_list_of_delegations_is_for_the_bearer_of_an_editor_only(
    here: MeshWithRegistry, editor: Editor
) -> None:
    gate = await here.start_gateway()
    text = (await caller_of(here, editor, gate)).text
    holder = signed_token(await here.issue_token())
    junk = {"Authorization": "Bearer x"}
    refused: tuple[dict[str, str], ...]
    refused = ({}, {"Authorization": f"Bearer {holder}"}, {"X-Api-Key": text}, junk, {**junk, "X-Api-Key": text})
    for headers in refused:
        answer = await gate.get(LIST, {}, token="", headers=headers)
        assert (answer.status, answer.error["code"]) == (401, "00101")


@asynccontextmanager
async def gateway_process(broker_url: str) -> AsyncIterator[AcmeClient]:
    environ = {
        "BOUQUET_BUS_URL": broker_url,
        "BOUQUET_GATEWAY_TOKEN_KEY": TOKEN_KEY.reveal(),
        "BOUQUET_GATEWAY_PROVIDERS": "acme",
        "BOUQUET_GATEWAY_JOURNAL": "false",
        "BOUQUET_GATEWAY_PORT": "0",
    }
    async with running_command(environ, "bouquet-gateway", "serve") as process:
        port = (await process.until_logged("gateway started"))["port"]
        async with gateway_client(f"http://{HOST}:{port}") as client:
            yield AcmeClient(client)


@pytest.mark.broker
async def test_a_revoked_delegation_is_refused_by_two_gateway_processes(sqlite: Store, broker_url: str) -> None:
    async with (
        mesh_with_registry(broker_url, sqlite),
        gateway_process(broker_url) as first,
        gateway_process(broker_url) as second,
    ):
        editor = await create_editor(sqlite)
        holders = [await habilitation(sqlite, siret=siret_of(number)) for number in range(3)]
        delegations = await delegate(sqlite, editor, *holders)
        token = await issue_editor_token(sqlite, editor)
        callers = [Caller(gate, token) for gate in (first, second)]
        for caller in callers:
            for number in range(3):
                await caller.becomes("200", siret_of(number))
        await withdraw(sqlite, delegations[1])
        await asyncio.gather(*(caller.becomes("403 00213", siret_of(1)) for caller in callers))
        for caller in callers:
            assert [await caller.outcome(siret_of(number)) for number in range(3)] == ["200", "403 00213", "200"]
    assert registry_client.POLL_S + ASK_TIMEOUT_S < 5  # seconds after which every gateway has surely polled


@pytest.mark.broker
async def test_two_gateways_with_redis_count_an_editor_s_calls_for_a_habilitation_together(
    here: MeshWithRegistry, editor: Editor, redis_server: RedisServer
) -> None:
    await delegate(here.store, editor, await habilitation(here.store, calls_per_minute=5))
    now = utc_now().timestamp() // 60 * 60 + 30
    gates = [await here.start_gateway(cache_url=Secret(redis_server.url), epoch_s=lambda: now) for _ in range(2)]
    callers = [await caller_of(here, editor, gate) for gate in gates]
    calls = (caller.outcome(nomNaissance=f"DURANT{'ABCDEF'[n]}") for n in range(5) for caller in callers)
    told = await asyncio.gather(*calls)
    assert sorted(told) == ["200"] * 5 + ["429 00429"] * 5
