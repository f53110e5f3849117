"""Tests that a gateway asks the registry what a token allows, and applies later changes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from bouquet_gateway.access import registry_client as gateway_registry
from bouquet_gateway.access.credentials import Credential
from bouquet_gateway.access.registry_answers import ASK_TIMEOUT_S
from bouquet_gateway.access.registry_client import RegistryClient
from bouquet_gateway.access.tokens import STAGING_TOKEN_ID, CredentialRefusal, Token, TokenVerifier
from bouquet_mesh.bus.api import BusClient
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tasks import alongside
from bouquet_proto.deadline import Deadline
from bouquet_registry import queries, transactions
from bouquet_registry.clock import utc_now
from bouquet_registry.store import Store
from tests.support.awaited_outcome import until_outcome
from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH, TOKEN_KEY
from tests.support.habilitations import ADMINISTRATOR, change_habilitation, read_token, revoke_token
from tests.support.mesh_with_registry import (
    PATH,
    SCOPES,
    AcmeClient,
    CountingBus,
    MeshWithRegistry,
    mesh_with_registry,
    signed_token,
)
from tests.support.waiting import TEST_TIMEOUT_S, until

WITHIN_S = 5.0
"""Longest promised time, in seconds, from a revocation until all gateways apply it (docs/adr/0008)."""
LATEST_S = gateway_registry.POLL_S + ASK_TIMEOUT_S
"""Longest time, in seconds, from a change until every gateway has polled the registry and received its answer."""


@asynccontextmanager
async def asking(bus: BusClient, **options: Any) -> AsyncIterator[RegistryClient]:
    """Runs the client with which a gateway asks the registry, and yields it once the registry has answered."""
    client = RegistryClient(TokenVerifier(TOKEN_KEY), bus, **options)
    async with alongside(client.run()):
        await until(lambda: client.ready)
        yield client


async def read(client: RegistryClient, id_: str) -> Token | CredentialRefusal:
    return await client.token_of(Credential("bearer", signed_token(id_)), "a request", Deadline.after(TEST_TIMEOUT_S))


async def test_scopes_siret_and_expiry_come_from_the_registry_not_the_claims(here: MeshWithRegistry) -> None:
    issued = await here.issue_token(scopes=("acme_dossier",))
    gate = await here.start_gateway()
    text = signed_token(issued, scopes=("acme_age", "everything"), valid_s=-1000)
    answer = await gate.call(text)
    assert answer.json["data"] == {"numero": "1", "titulaire": {"nom": "DURANT"}}
    assert (await gate.call(text, "/api/introspect")).json == {"_id": issued.id, "name": "", "scopes": ["acme_dossier"]}
    # v2's recipient defaults to the habilitation's SIRET
    await gate.get("/api/v2/dossier-acme", {"nom": "DURANT"}, token=text)
    assert here.acme.requests[0].caller.token_id == issued.id


async def test_a_token_that_the_registry_does_not_know_is_invalid(here: MeshWithRegistry) -> None:
    gate = await here.start_gateway()
    unknown = signed_token(str(uuid.uuid4()), scopes=SCOPES)
    assert [await gate.outcome(unknown) for _ in range(3)] == ["401 00101"] * 3


async def test_a_token_becomes_valid_as_it_is_issued(here: MeshWithRegistry) -> None:
    gate = await here.start_gateway()
    issued = await here.issue_token()
    async with transactions.begin(here.store, ADMINISTRATOR) as transaction:
        later = await transaction.issue(await queries.habilitation(transaction.connection, issued.habilitation))
        assert await gate.outcome(signed_token(later)) == "401 00101"
    await until_outcome(gate, signed_token(later), "200")


async def test_a_forged_token_is_invalid_and_the_registry_is_not_asked(here: MeshWithRegistry) -> None:
    overheard = CountingBus(here.bus)
    gate = await here.start_gateway(bus=overheard)
    forged = signed_token(await here.issue_token())[:-3] + "AAA"
    assert await gate.outcome(forged) == "401 00101"
    assert overheard.tokens == []


async def test_the_internal_token_id_is_refused_by_a_gateway_with_a_registry(here: MeshWithRegistry) -> None:
    gate, demo = await here.start_gateway(), await here.start_gateway(tokens_from="claims")
    text = signed_token(STAGING_TOKEN_ID, scopes=SCOPES)
    assert [await gate.outcome(text), await demo.outcome(text)] == ["401 00101", "200"]


async def test_the_expiry_of_a_token_is_the_registry_s(here: MeshWithRegistry) -> None:
    issued = await here.issue_token()
    gate = await here.start_gateway()
    assert await gate.outcome(signed_token(issued)) == "200"
    async with here.store.writing() as connection:
        await connection.exec_driver_sql("UPDATE tokens SET expires_at = '2020-01-01 00:00:00', change = 1000")
        await connection.exec_driver_sql("UPDATE log SET number = 1000")
    await until_outcome(gate, signed_token(issued), "401 00103")
    async with transactions.begin(here.store, ADMINISTRATOR) as transaction:
        await transaction.prolong(await queries.token(transaction.connection, issued.id))
    await until_outcome(gate, signed_token(issued), "200")


async def test_a_revoked_token_is_blacklisted_before_anything_else(here: MeshWithRegistry) -> None:
    issued = await here.issue_token(allowed_ips=("192.0.2.1",))
    gate = await here.start_gateway(calls_per_second=0)
    assert await gate.outcome(signed_token(issued)) == "403 00107"
    await revoke_token(here.store, issued)
    await until_outcome(gate, signed_token(issued), "401 00105")
    for path in (QUOTIENT_FAMILIAL_PATH, "/nowhere", "/api/introspect"):
        answer = await gate.call(signed_token(issued), path)
        assert (answer.status, answer.error["code"]) == (401, "00105")
    flat = await gate.call(signed_token(issued), "/api/v2/anything")
    assert (flat.status, list(flat.json)) == (401, ["errors"])
    assert flat.json["errors"][0].startswith("Votre jeton est sur liste noire")


async def test_a_token_may_be_blacklisted_from_a_day_on(here: MeshWithRegistry) -> None:
    issued = await here.issue_token()
    gate = await here.start_gateway()
    await revoke_token(here.store, issued, at=utc_now() + timedelta(seconds=2))
    assert await gate.outcome(signed_token(issued)) == "200"
    await until_outcome(gate, signed_token(issued), "401 00105")


async def test_a_change_of_scopes_takes_effect_at_the_gateway(here: MeshWithRegistry) -> None:
    issued = await here.issue_token()
    gate = await here.start_gateway()
    assert await gate.outcome(signed_token(issued)) == "200"
    await change_habilitation(here.store, issued, scopes=("another",))
    await until_outcome(gate, signed_token(issued), "403 00100")
    await change_habilitation(here.store, issued, scopes=SCOPES)
    await until_outcome(gate, signed_token(issued), "200")


async def test_tokens_of_an_archived_habilitation_are_refused(here: MeshWithRegistry) -> None:
    issued = await here.issue_token()
    gate = await here.start_gateway()
    await change_habilitation(here.store, issued, state="archived")
    await until_outcome(gate, signed_token(issued), "401 00105")


async def test_a_disallowed_address_is_refused_before_the_rate_limit(here: MeshWithRegistry) -> None:
    issued = await here.issue_token(allowed_ips=("192.0.2.0/24", "2001:db8::1"))
    gate = await here.start_gateway(calls_per_second=0)
    answer = await gate.call(signed_token(issued))
    assert (answer.status, answer.error["code"]) == (403, "00107")
    assert answer.error["source"] == {"header": "X-Forwarded-For"}
    assert "RateLimit-Limit" not in answer.headers


async def test_a_forwarded_address_counts_behind_a_trusted_proxy_only(here: MeshWithRegistry) -> None:
    issued = await here.issue_token(allowed_ips=("192.0.2.0/24",))
    outside, behind = (
        await here.start_gateway(),
        await here.start_gateway(trusted_proxies=("127.0.0.0/8", "10.0.0.0/8")),
    )
    forwarded = {"X-Forwarded-For": "203.0.113.9, 192.0.2.7, 10.1.2.3"}
    assert await outside.outcome(signed_token(issued), **forwarded) == "403 00107"
    assert await behind.outcome(signed_token(issued), **forwarded) == "200"
    assert await behind.outcome(signed_token(issued), **{"X-Forwarded-For": "192.0.2.7, 203.0.113.9"}) == "403 00107"
    assert await behind.outcome(signed_token(issued)) == "403 00107"


async def test_an_unreadable_list_of_allowed_addresses_allows_none(here: MeshWithRegistry) -> None:
    issued = await here.issue_token(allowed_ips=("192.0.2.1",))
    async with here.store.writing() as connection:
        await connection.exec_driver_sql("""UPDATE habilitations SET allowed_ips = '["nonsense"]'""")
    assert await (await here.start_gateway()).outcome(signed_token(issued)) == "403 00107"


async def test_a_token_s_own_rate_limit_applies_besides_the_common_one(here: MeshWithRegistry) -> None:
    issued, other = await here.issue_token(calls_per_minute=3), await here.issue_token()
    gate = await here.start_gateway(epoch_s=lambda: 1_000_000_039.5)  # a minute that does not end as we look
    answers = [await gate.call(signed_token(issued)) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0", "0"]
    assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"3"}
    assert answers[-1].headers["Retry-After"] == "41"
    assert (await gate.call(signed_token(other))).headers["RateLimit-Limit"] == "100000"


async def test_the_common_rate_limit_applies_besides_a_token_s_own(here: MeshWithRegistry) -> None:
    issued = await here.issue_token(calls_per_minute=1000)
    gate = await here.start_gateway(calls_per_second=2, epoch_s=lambda: 1_000_000_039.5)
    answers = [await gate.call(signed_token(issued)) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.headers["RateLimit-Limit"] for answer in answers] == ["1000", "1000", "2"]


async def test_a_known_token_is_not_looked_up_again(here: MeshWithRegistry) -> None:
    overheard = CountingBus(here.bus)
    issued, gate = await here.issue_token(), await here.start_gateway(bus=overheard)
    overheard.passing.clear()
    calls = [asyncio.create_task(gate.call(signed_token(issued), f"{PATH}?{number}")) for number in range(20)]
    await overheard.answered.wait()
    overheard.passing.set()
    await asyncio.gather(*calls)
    for _ in range(20):
        assert await gate.outcome(signed_token(issued)) == "200"
    assert overheard.tokens == [issued.id]


async def test_the_registry_notes_the_last_use_of_a_token(here: MeshWithRegistry) -> None:
    issued, idle = await here.issue_token(), await here.issue_token()
    gate = await here.start_gateway()
    await gate.outcome(signed_token(issued))
    await here.close_registry()
    used = (await read_token(here.store, issued.id)).last_used_at
    assert used
    assert abs(used - utc_now()) < timedelta(seconds=10)
    assert (await read_token(here.store, idle.id)).last_used_at is None


async def test_without_a_registry_a_token_is_a_502_not_a_401(
    here: MeshWithRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_registry, "ASK_TIMEOUT_S", 0.3)
    issued = await here.issue_token()
    await here.close_registry()
    gate = await here.start_gateway()
    answer = await gate.call(signed_token(issued))
    assert (answer.status, answer.error["code"]) == (502, "00520")
    assert answer.headers["Retry-After"] == "10"
    assert (await gate.get("/readyz", token="")).json["for"] == ["registry"]
    assert await gate.outcome("") == "401 00101"
    assert await gate.outcome(signed_token(issued)[:-3] + "AAA") == "401 00101"
    assert (await gate.call(signed_token(issued), "/nowhere")).status == 404
    await here.open_registry()
    await until_outcome(gate, signed_token(issued), "200")
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while (await gate.get("/readyz", token="")).status != 200:  # noqa: ASYNC110 - what is waited for has no event here
            await asyncio.sleep(0.01)


async def test_known_tokens_are_accepted_for_a_limited_time_without_the_registry(
    here: MeshWithRegistry,
) -> None:
    known, unknown, now = await here.issue_token(), await here.issue_token(), [1000.0]
    away = CredentialRefusal("registry_unavailable")
    async with asking(here.bus, patience_s=600.0, clock=lambda: now[0]) as client:
        token = await read(client, known.id)
        await here.close_registry()
        now[0] += 590.0
        assert (await read(client, known.id), await read(client, unknown.id)) == (token, away)
        assert client.ready
        now[0] += 20.0
        assert await read(client, known.id) == away
        await here.open_registry()
        async with asyncio.timeout(TEST_TIMEOUT_S):
            while away in (await read(client, known.id), await read(client, unknown.id)):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)


async def test_a_revocation_is_seen_by_the_next_poll(here: MeshWithRegistry) -> None:
    issued, overheard = await here.issue_token(), CountingBus(here.bus)
    async with asking(overheard) as client:
        assert isinstance(await read(client, issued.id), Token)
        await revoke_token(here.store, issued)
        polls = overheard.polls
        await until(lambda: overheard.polls > polls + 1)  # one of them may have begun before
        token = await read(client, issued.id)
    assert isinstance(token, Token) and token.blacklisted_at is not None
    assert LATEST_S < WITHIN_S


async def test_changes_made_while_the_registry_was_silent_are_seen_at_its_return(here: MeshWithRegistry) -> None:
    issued = await here.issue_token()
    gate = await here.start_gateway()
    assert await gate.outcome(signed_token(issued)) == "200"
    await here.close_registry()
    await revoke_token(here.store, issued)
    assert await gate.outcome(signed_token(issued)) == "200"
    await here.open_registry()
    await until_outcome(gate, signed_token(issued), "401 00105")


async def test_a_token_in_use_is_looked_up_again_at_intervals(here: MeshWithRegistry) -> None:
    issued = await here.issue_token()
    gate = await here.start_gateway(registry_refresh_s=0.1)
    assert await gate.outcome(signed_token(issued)) == "200"
    async with here.store.writing() as connection:  # behind the log's back
        await connection.exec_driver_sql("UPDATE habilitations SET scopes = '[]'")
    await until_outcome(gate, signed_token(issued), "403 00100")


async def test_a_call_does_not_wait_for_the_refresh_of_its_token(here: MeshWithRegistry) -> None:
    issued, overheard, now = await here.issue_token(), CountingBus(here.bus), [1000.0]
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


async def test_a_repeated_invalid_token_is_looked_up_once(here: MeshWithRegistry) -> None:
    overheard = CountingBus(here.bus)
    gate, stranger = await here.start_gateway(bus=overheard), str(uuid.uuid4())
    assert [await gate.outcome(signed_token(stranger)) for _ in range(2)] == ["401 00101"] * 2
    assert overheard.tokens == [stranger]


async def test_a_gateway_remembers_a_limited_number_of_recently_used_tokens(here: MeshWithRegistry) -> None:
    first, second, third = [(await here.issue_token()).id for _ in range(3)]
    overheard = CountingBus(here.bus)
    async with asking(overheard, max_known=2) as client:
        for one in (first, second, first, third, first, third):
            assert isinstance(await read(client, one), Token)
        assert overheard.tokens == [first, second, third]
        await read(client, second)
    assert overheard.tokens[3:] == [second]


async def test_a_registry_answer_older_than_a_change_is_not_remembered(here: MeshWithRegistry) -> None:
    overheard = CountingBus(here.bus)
    issued, gate = await here.issue_token(), await here.start_gateway(bus=overheard)
    overheard.passing.clear()
    asked = asyncio.create_task(gate.outcome(signed_token(issued)))
    await overheard.answered.wait()
    await revoke_token(here.store, issued)
    polls = overheard.polls
    await until(lambda: overheard.polls > polls + 1)
    overheard.passing.set()
    assert await asked == "200"
    assert await gate.outcome(signed_token(issued)) == "401 00105"


async def test_a_replaced_registry_database_makes_gateways_forget_all_tokens(here: MeshWithRegistry) -> None:
    issued = await here.issue_token()
    gate = await here.start_gateway()
    assert await gate.outcome(signed_token(issued)) == "200"
    async with here.store.writing() as connection:
        await connection.exec_driver_sql("DELETE FROM tokens")
        await connection.exec_driver_sql("UPDATE log SET name = 'another', number = 0")
    await until_outcome(gate, signed_token(issued), "401 00101")


@pytest.mark.broker
async def test_four_gateways_under_load_all_apply_a_revocation(sqlite: Store, broker_url: str) -> None:
    async with mesh_with_registry(broker_url, sqlite) as made:
        gates = [await made.start_gateway() for _ in range(4)]
        revoked, others = await made.issue_token(), [await made.issue_token() for _ in range(5)]
        assert {await gate.outcome(signed_token(revoked)) for gate in gates} == {"200"}
        busy = [asyncio.create_task(keep_calling(gate, signed_token(one))) for gate in gates for one in others]
        await revoke_token(sqlite, revoked)
        await asyncio.gather(*(stays(gate, signed_token(revoked), "401 00105") for gate in gates))
        for task in busy:
            task.cancel()
        outcomes = await asyncio.gather(*busy, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)  # none was ever refused


async def keep_calling(gate: AcmeClient, text: str) -> None:
    number = 0
    while True:
        number += 1
        assert (await gate.call(text, f"{PATH}?{number}")).status != 401


async def stays(gate: AcmeClient, text: str, told: str) -> None:
    """Waits until a call with the token `text` has the outcome `told`, then asserts that the next twenty calls have it
    too."""
    await until_outcome(gate, text, told)
    for _ in range(20):
        assert await gate.outcome(text) == told


def digest_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


async def test_an_exempt_token_passes_blacklist_addresses_and_rate_limits(here: MeshWithRegistry) -> None:
    issued = await here.issue_token(allowed_ips=("192.0.2.1",))
    await revoke_token(here.store, issued)
    text = signed_token(issued)
    gate = await here.start_gateway(calls_per_second=0, exempt_tokens=(digest_of(text).upper(),))
    answer = await gate.call(text)
    assert (answer.status, "RateLimit-Limit" in answer.headers) == (200, False)
    assert (
        await gate.outcome(signed_token(issued, valid_s=1)) == "401 00105"
    )  # the same id, but not the token of the list


async def test_an_exempt_token_must_still_be_known_to_the_registry(here: MeshWithRegistry) -> None:
    unknown = signed_token(str(uuid.uuid4()), scopes=SCOPES)
    gate = await here.start_gateway(exempt_tokens=(digest_of(unknown),))
    assert await gate.outcome(unknown) == "401 00101"


async def test_an_exempt_token_that_is_not_a_digest_is_a_settings_error(here: MeshWithRegistry) -> None:
    with pytest.raises(SettingsError, match=r"^BOUQUET_GATEWAY_EXEMPT_TOKENS: must be SHA-256 digests in hexadecimal$"):
        await here.start_gateway(exempt_tokens=("a token itself",))
