"""A gateway takes the registry's word for what a token allows, and notices when it changes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from bouquet_gateway.access import registry_client as gateway_registry
from bouquet_gateway.access.credentials import Credential
from bouquet_gateway.access.registry_client import RegistryClient
from bouquet_gateway.access.tokens import INTERNAL_ID, Refusal, Token, Tokens
from bouquet_mesh.bus.api import Calling
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tasks import alongside
from bouquet_proto.deadline import Deadline
from bouquet_registry import queries, transactions
from bouquet_registry.clock import utc_now
from bouquet_registry.store import Store, open_store
from tests.support.bus import LONG_S, until
from tests.support.gateway_client import QF, TOKEN_KEY
from tests.support.habilitations import ANNE, change, revoke, token
from tests.support.mesh_with_registry import PATH, SCOPES, Gate, Overheard, Town, text_of, town

WITHIN_S = 5.0
"""What is promised of a revocation (docs/adr/0008)."""
LATEST_S = gateway_registry.POLL_S + gateway_registry.ASK_TIMEOUT_S
"""A poll that had begun ends, and the next one is answered."""


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(Secret(f"sqlite:///{tmp_path}/registry.db")) as opened:
        yield opened


@pytest.fixture
async def here(sqlite: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """Where news travels fast."""
    monkeypatch.setattr(gateway_registry, "POLL_S", 0.02)
    monkeypatch.setattr(gateway_registry, "SILENT_AFTER_S", 0.2)
    async with town("memory:", sqlite) as made:
        yield made


@asynccontextmanager
async def asking(bus: Calling, **options: Any) -> AsyncIterator[RegistryClient]:
    """A gateway's side of the registry alone, once it has heard of it."""
    client = RegistryClient(Tokens(TOKEN_KEY), bus, **options)
    async with alongside(client.run()):
        await until(lambda: client.ready)
        yield client


async def read(client: RegistryClient, id_: str) -> Token | Refusal:
    return await client.token_of(Credential("bearer", text_of(id_)), "a request", Deadline.after(LONG_S))


async def becomes(gate: Gate, text: str, told: str) -> None:
    """Returns once it is told so."""
    async with asyncio.timeout(LONG_S):
        while await gate.told(text) != told:  # noqa: ASYNC110 - the gateway tells nobody what it hears
            await asyncio.sleep(0.01)


async def test_scopes_siret_and_end_are_the_registry_s_whatever_the_token_claims(here: Town) -> None:
    issued = await here.issued(scopes=("acme_dossier",))
    gate = await here.gate()
    text = text_of(issued, scopes=("acme_age", "everything"), valid_s=-1000)
    answer = await gate.call(text)
    assert answer.json["data"] == {"numero": "1", "titulaire": {"nom": "DURANT"}}
    assert (await gate.call(text, "/api/introspect")).json == {"_id": issued.id, "name": "", "scopes": ["acme_dossier"]}
    # v2's recipient defaults to the habilitation's SIRET
    await gate.get("/api/v2/dossier-acme", {"nom": "DURANT"}, token=text)
    assert here.acme.asked[0].caller.token_id == issued.id


async def test_a_token_that_the_registry_does_not_know_is_invalid(here: Town) -> None:
    gate = await here.gate()
    unknown = text_of(str(uuid.uuid4()), scopes=SCOPES)
    assert [await gate.told(unknown) for _ in range(3)] == ["401 00101"] * 3


async def test_a_token_becomes_valid_as_it_is_issued(here: Town) -> None:
    gate = await here.gate()
    issued = await here.issued()
    async with transactions.begin(here.store, ANNE) as transaction:
        later = await transaction.issue(await queries.habilitation(transaction.connection, issued.habilitation))
        assert await gate.told(text_of(later)) == "401 00101"
    await becomes(gate, text_of(later), "200")


async def test_a_forged_token_is_invalid_and_the_registry_is_not_asked(here: Town) -> None:
    overheard = Overheard(here.bus)
    gate = await here.gate(bus=overheard)
    forged = text_of(await here.issued())[:-3] + "AAA"
    assert await gate.told(forged) == "401 00101"
    assert overheard.tokens == []


async def test_the_internal_id_is_nobody_s_where_the_registry_has_the_word(here: Town) -> None:
    gate, demo = await here.gate(), await here.gate(tokens_from="claims")
    text = text_of(INTERNAL_ID, scopes=SCOPES)
    assert [await gate.told(text), await demo.told(text)] == ["401 00101", "200"]


async def test_the_end_of_a_token_is_the_registry_s(here: Town) -> None:
    issued = await here.issued()
    gate = await here.gate()
    assert await gate.told(text_of(issued)) == "200"
    async with here.store.writing() as connection:
        await connection.exec_driver_sql("UPDATE tokens SET expires_at = '2020-01-01 00:00:00', change = 1000")
        await connection.exec_driver_sql("UPDATE log SET number = 1000")
    await becomes(gate, text_of(issued), "401 00103")
    async with transactions.begin(here.store, ANNE) as transaction:
        await transaction.prolong(await queries.token(transaction.connection, issued.id))
    await becomes(gate, text_of(issued), "200")


async def test_a_revoked_token_is_blacklisted_before_anything_else(here: Town) -> None:
    issued = await here.issued(allowed_ips=("192.0.2.1",))
    gate = await here.gate(calls_per_second=0)
    assert await gate.told(text_of(issued)) == "403 00107"
    await revoke(here.store, issued)
    await becomes(gate, text_of(issued), "401 00105")
    for path in (QF, "/nowhere", "/api/introspect"):
        answer = await gate.call(text_of(issued), path)
        assert (answer.status, answer.error["code"]) == (401, "00105")
    flat = await gate.call(text_of(issued), "/api/v2/anything")
    assert (flat.status, list(flat.json)) == (401, ["errors"])
    assert flat.json["errors"][0].startswith("Votre jeton est sur liste noire")


async def test_a_token_may_be_blacklisted_from_a_day_on(here: Town) -> None:
    issued = await here.issued()
    gate = await here.gate()
    await revoke(here.store, issued, at=utc_now() + timedelta(seconds=2))
    assert await gate.told(text_of(issued)) == "200"
    await becomes(gate, text_of(issued), "401 00105")


async def test_a_change_of_scopes_takes_effect(here: Town) -> None:
    issued = await here.issued()
    gate = await here.gate()
    assert await gate.told(text_of(issued)) == "200"
    await change(here.store, issued, scopes=("another",))
    await becomes(gate, text_of(issued), "403 00100")
    await change(here.store, issued, scopes=SCOPES)
    await becomes(gate, text_of(issued), "200")


async def test_an_archived_habilitation_opens_nothing(here: Town) -> None:
    issued = await here.issued()
    gate = await here.gate()
    await change(here.store, issued, state="archived")
    await becomes(gate, text_of(issued), "401 00105")


async def test_an_address_that_is_not_allowed_is_refused_before_the_pace(here: Town) -> None:
    issued = await here.issued(allowed_ips=("192.0.2.0/24", "2001:db8::1"))
    gate = await here.gate(calls_per_second=0)
    answer = await gate.call(text_of(issued))
    assert (answer.status, answer.error["code"]) == (403, "00107")
    assert answer.error["source"] == {"header": "X-Forwarded-For"}
    assert "RateLimit-Limit" not in answer.headers


async def test_a_forwarded_address_counts_behind_a_trusted_proxy_only(here: Town) -> None:
    issued = await here.issued(allowed_ips=("192.0.2.0/24",))
    outside, behind = await here.gate(), await here.gate(trusted_proxies=("127.0.0.0/8", "10.0.0.0/8"))
    forwarded = {"X-Forwarded-For": "203.0.113.9, 192.0.2.7, 10.1.2.3"}
    assert await outside.told(text_of(issued), **forwarded) == "403 00107"
    assert await behind.told(text_of(issued), **forwarded) == "200"
    assert await behind.told(text_of(issued), **{"X-Forwarded-For": "192.0.2.7, 203.0.113.9"}) == "403 00107"
    assert await behind.told(text_of(issued)) == "403 00107"


async def test_an_allow_list_that_nobody_can_read_allows_nobody(here: Town) -> None:
    issued = await here.issued(allowed_ips=("192.0.2.1",))
    async with here.store.writing() as connection:
        await connection.exec_driver_sql("""UPDATE habilitations SET allowed_ips = '["nonsense"]'""")
    assert await (await here.gate()).told(text_of(issued)) == "403 00107"


async def test_a_rate_of_its_own_counts_besides_that_of_everyone(here: Town) -> None:
    issued, other = await here.issued(calls_per_minute=3), await here.issued()
    gate = await here.gate(epoch_s=lambda: 1_000_000_039.5)  # a minute that does not end as we look
    answers = [await gate.call(text_of(issued)) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0", "0"]
    assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"3"}
    assert answers[-1].headers["Retry-After"] == "41"
    assert (await gate.call(text_of(other))).headers["RateLimit-Limit"] == "100000"


async def test_everyone_s_rate_counts_besides_one_of_its_own(here: Town) -> None:
    issued = await here.issued(calls_per_minute=1000)
    gate = await here.gate(calls_per_second=2, epoch_s=lambda: 1_000_000_039.5)
    answers = [await gate.call(text_of(issued)) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.headers["RateLimit-Limit"] for answer in answers] == ["1000", "1000", "2"]


async def test_a_known_token_costs_the_registry_nothing(here: Town) -> None:
    overheard = Overheard(here.bus)
    issued, gate = await here.issued(), await here.gate(bus=overheard)
    overheard.passing.clear()
    calls = [asyncio.create_task(gate.call(text_of(issued), f"{PATH}?{number}")) for number in range(20)]
    await overheard.answered.wait()
    overheard.passing.set()
    await asyncio.gather(*calls)
    for _ in range(20):
        assert await gate.told(text_of(issued)) == "200"
    assert overheard.tokens == [issued.id]


async def test_the_registry_learns_that_a_token_is_used(here: Town) -> None:
    issued, idle = await here.issued(), await here.issued()
    gate = await here.gate()
    await gate.told(text_of(issued))
    await here.close_registry()
    used = (await token(here.store, issued.id)).last_used_at
    assert used
    assert abs(used - utc_now()) < timedelta(seconds=10)
    assert (await token(here.store, idle.id)).last_used_at is None


async def test_without_a_registry_nobody_is_refused_as_a_stranger(here: Town) -> None:
    issued = await here.issued()
    await here.close_registry()
    gate = await here.gate()
    answer = await gate.call(text_of(issued))
    assert (answer.status, answer.error["code"]) == (502, "00520")
    assert answer.headers["Retry-After"] == "10"
    assert (await gate.get("/readyz", token="")).json["for"] == ["registry"]
    assert await gate.told("") == "401 00101"
    assert await gate.told(text_of(issued)[:-3] + "AAA") == "401 00101"
    assert (await gate.call(text_of(issued), "/nowhere")).status == 404
    await here.open_registry()
    await becomes(gate, text_of(issued), "200")
    async with asyncio.timeout(LONG_S):
        while (await gate.get("/readyz", token="")).status != 200:  # noqa: ASYNC110 - what is waited for has no event here
            await asyncio.sleep(0.01)


async def test_known_tokens_work_while_the_registry_is_silent_and_for_no_longer_than_was_said(here: Town) -> None:
    known, unknown, now = await here.issued(), await here.issued(), [1000.0]
    away = Refusal("registry_unavailable")
    async with asking(here.bus, patience_s=600.0, clock=lambda: now[0]) as client:
        token = await read(client, known.id)
        await here.close_registry()
        now[0] += 590.0
        assert (await read(client, known.id), await read(client, unknown.id)) == (token, away)
        assert client.ready
        now[0] += 20.0
        assert await read(client, known.id) == away
        await here.open_registry()
        async with asyncio.timeout(LONG_S):
            while away in (await read(client, known.id), await read(client, unknown.id)):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)


async def test_a_revocation_is_heard_by_the_poll_that_begins_after_it(here: Town) -> None:
    issued, overheard = await here.issued(), Overheard(here.bus)
    async with asking(overheard) as client:
        assert isinstance(await read(client, issued.id), Token)
        await revoke(here.store, issued)
        polls = overheard.polls
        await until(lambda: overheard.polls > polls + 1)  # one of them may have begun before
        token = await read(client, issued.id)
    assert isinstance(token, Token) and token.blacklisted_at is not None
    assert LATEST_S < WITHIN_S


async def test_what_changed_while_the_registry_was_silent_is_heard_as_it_returns(here: Town) -> None:
    issued = await here.issued()
    gate = await here.gate()
    assert await gate.told(text_of(issued)) == "200"
    await here.close_registry()
    await revoke(here.store, issued)
    assert await gate.told(text_of(issued)) == "200"
    await here.open_registry()
    await becomes(gate, text_of(issued), "401 00105")


async def test_a_token_in_use_is_asked_for_again_now_and_then(here: Town) -> None:
    issued = await here.issued()
    gate = await here.gate(registry_refresh_s=0.1)
    assert await gate.told(text_of(issued)) == "200"
    async with here.store.writing() as connection:  # behind the log's back
        await connection.exec_driver_sql("UPDATE habilitations SET scopes = '[]'")
    await becomes(gate, text_of(issued), "403 00100")


async def test_a_token_in_use_does_not_wait_to_be_asked_for_again(here: Town) -> None:
    issued, overheard, now = await here.issued(), Overheard(here.bus), [1000.0]
    async with asking(overheard, refresh_s=600.0, clock=lambda: now[0]) as client:
        known = await read(client, issued.id)
        overheard.passing.clear()
        now[0] += 601.0
        polls = overheard.polls
        await until(lambda: overheard.polls > polls + 1)  # else the registry would count as silent
        assert await read(client, issued.id) is known
        await until(lambda: overheard.tokens == [issued.id] * 2)
        overheard.passing.set()
        await until(lambda: overheard.delivered == 2)
        now[0] += 599.0
        await until(lambda: overheard.polls > polls + 3)
        assert await read(client, issued.id) == known
        assert overheard.tokens == [issued.id] * 2


async def test_an_invalid_token_that_keeps_coming_is_asked_for_once(here: Town) -> None:
    overheard = Overheard(here.bus)
    gate, stranger = await here.gate(bus=overheard), str(uuid.uuid4())
    assert [await gate.told(text_of(stranger)) for _ in range(2)] == ["401 00101"] * 2
    assert overheard.tokens == [stranger]


async def test_a_gateway_remembers_so_many_tokens_and_no_more_the_last_used_ones(here: Town) -> None:
    first, second, third = [(await here.issued()).id for _ in range(3)]
    overheard = Overheard(here.bus)
    async with asking(overheard, max_known=2) as client:
        for one in (first, second, first, third, first, third):
            assert isinstance(await read(client, one), Token)
        assert overheard.tokens == [first, second, third]
        await read(client, second)
    assert overheard.tokens[3:] == [second]


async def test_an_answer_that_was_overtaken_by_a_change_is_not_remembered(here: Town) -> None:
    overheard = Overheard(here.bus)
    issued, gate = await here.issued(), await here.gate(bus=overheard)
    overheard.passing.clear()
    asked = asyncio.create_task(gate.told(text_of(issued)))
    await overheard.answered.wait()
    await revoke(here.store, issued)
    polls = overheard.polls
    await until(lambda: overheard.polls > polls + 1)
    overheard.passing.set()
    assert await asked == "200"
    assert await gate.told(text_of(issued)) == "401 00105"


async def test_another_database_makes_gateways_forget(here: Town) -> None:
    issued = await here.issued()
    gate = await here.gate()
    assert await gate.told(text_of(issued)) == "200"
    async with here.store.writing() as connection:
        await connection.exec_driver_sql("DELETE FROM tokens")
        await connection.exec_driver_sql("UPDATE log SET name = 'another', number = 0")
    await becomes(gate, text_of(issued), "401 00101")


@pytest.mark.broker
async def test_four_gateways_under_load_all_hear_of_a_revocation(sqlite: Store, broker_url: str) -> None:
    async with town(broker_url, sqlite) as made:
        gates = [await made.gate() for _ in range(4)]
        revoked, others = await made.issued(), [await made.issued() for _ in range(5)]
        assert {await gate.told(text_of(revoked)) for gate in gates} == {"200"}
        busy = [asyncio.create_task(keep_calling(gate, text_of(one))) for gate in gates for one in others]
        await revoke(sqlite, revoked)
        await asyncio.gather(*(stays(gate, text_of(revoked), "401 00105") for gate in gates))
        for task in busy:
            task.cancel()
        outcomes = await asyncio.gather(*busy, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)  # none was ever refused


async def keep_calling(gate: Gate, text: str) -> None:
    number = 0
    while True:
        number += 1
        assert (await gate.call(text, f"{PATH}?{number}")).status != 401


async def stays(gate: Gate, text: str, told: str) -> None:
    """Returns once it is told so, and has been told so every time since."""
    await becomes(gate, text, told)
    for _ in range(20):
        assert await gate.told(text) == told


def digest_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


async def test_an_exempt_token_is_held_back_by_no_blacklist_address_or_pace(here: Town) -> None:
    issued = await here.issued(allowed_ips=("192.0.2.1",))
    await revoke(here.store, issued)
    text = text_of(issued)
    gate = await here.gate(calls_per_second=0, exempt_tokens=(digest_of(text).upper(),))
    answer = await gate.call(text)
    assert (answer.status, "RateLimit-Limit" in answer.headers) == (200, False)
    assert await gate.told(text_of(issued, valid_s=1)) == "401 00105"  # the same id, but not the token of the list


async def test_an_exempt_token_must_still_be_known_to_the_registry(here: Town) -> None:
    unknown = text_of(str(uuid.uuid4()), scopes=SCOPES)
    gate = await here.gate(exempt_tokens=(digest_of(unknown),))
    assert await gate.told(unknown) == "401 00101"


async def test_what_is_no_digest_is_no_exemption_but_a_wrong_setting(here: Town) -> None:
    with pytest.raises(SettingsError, match=r"^BOUQUET_GATEWAY_EXEMPT_TOKENS: must be SHA-256 digests in hexadecimal$"):
        await here.gate(exempt_tokens=("a token itself",))
