"""Tests of the rate limit, by IP address, for calls with invented tokens or sessions. Known callers are exempt."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector

from bouquet_france_connect.simulator import simulator as france_connect_simulator
from bouquet_france_connect.worker import worker as france_connect
from bouquet_gateway.access.unknown_bearers import Pacer
from bouquet_mesh.networks import networks_of
from bouquet_proto.messages import Lookup, Reply, Request
from bouquet_worker.simulate import RECEIVED
from tests.attacks.two_providers import SCOPES, Provider, ask, gateway_between
from tests.support import mesh as meshes
from tests.support.clock import Clock
from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH, RECIPIENT, Answer, GatewayClient, token
from tests.support.mesh import Mesh
from tests.support.offers import offer
from tests.support.people import CAF_ALLOCATAIRE

WORKERS = meshes.PROVIDERS | {"france_connect": (france_connect, france_connect_simulator)}
SESSION_PATH = "/v3/dss/quotient_familial/france_connect"
NOW = 1_776_240_000.25
MOST = 30


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Callable[..., Any]:
    monkeypatch.setattr(meshes, "PROVIDERS", WORKERS)
    return lambda **settings: meshes.mesh(workers=("cnaf", "msa", "france_connect"), epoch_s=clock, **settings)


@pytest.fixture
async def client(opened: Callable[..., Any]) -> AsyncIterator[Mesh]:
    async with opened() as mesh:
        yield mesh


async def with_session(client: GatewayClient, session: str, **more: Any) -> Answer:
    return await client.get(SESSION_PATH, {"recipient": RECIPIENT}, token=session, **more)


async def with_invented(client: GatewayClient, times: int, **more: Any) -> list[int]:
    return [(await with_session(client, secrets.token_urlsafe(20), **more)).status for _ in range(times)]


def introspections(client: Mesh) -> int:
    return sum(received.path.endswith("/checktoken") for received in client.simulators["france_connect"][RECEIVED])


@asynccontextmanager
async def from_address(address: str, client: GatewayClient) -> AsyncIterator[GatewayClient]:
    connector = TCPConnector(local_addr=(address, 0))
    async with ClientSession(connector=connector, timeout=ClientTimeout(total=30)) as session:
        yield GatewayClient(session, client.url)


async def test_unknown_bearers_are_slowed_by_address_whatever_their_headers(client: Mesh) -> None:
    told = []
    for number in range(60):
        forged = {"X-Forwarded-For": f"203.0.113.{number}", "Forwarded": f"for=203.0.113.{number}"}
        told += await with_invented(client, 1, headers=forged)
    assert told == [401] * (MOST + 1) + [429] * (59 - MOST)
    assert introspections(client) == MOST + 1


async def test_a_slowed_bearer_gets_retry_after(client: Mesh) -> None:
    await with_invented(client, MOST + 1)
    answer = await with_session(client, "invented")
    assert (answer.status, answer.codes) == (429, ["00429"])
    assert answer.headers["Retry-After"] == str(answer.error["meta"]["retry_in"]) == "60"


async def test_a_slowed_address_is_free_again_after_a_minute(client: Mesh, clock: Clock) -> None:
    await with_invented(client, MOST + 1)
    clock.now += 60
    assert await with_invented(client, 1) == [401]


async def test_another_address_is_not_slowed(client: Mesh) -> None:
    assert (await with_invented(client, 40))[-1] == 429
    async with from_address("127.0.0.2", client) as other:
        assert (await with_session(other, "jeton-maelys")).status == 200
        assert (await with_session(other, "invented")).status == 401


async def test_known_tokens_and_sessions_pass_at_a_slowed_address(client: Mesh) -> None:
    assert (await with_session(client, "jeton-maelys")).status == 200
    assert (await with_invented(client, 40))[-1] == 429
    assert (await with_session(client, "jeton-maelys")).status == 200
    assert (await client.get(params=CAF_ALLOCATAIRE)).status == 200
    assert (await client.get(params=CAF_ALLOCATAIRE | {"token": token()}, token="invented")).status == 200


async def test_a_session_with_an_unusable_identity_is_not_an_unknown_bearer(client: Mesh) -> None:
    for _ in range(MOST + 5):
        assert (await with_session(client, "jeton-sans-nom")).codes == ["51564"]
    assert await with_invented(client, 1) == [401]


async def test_an_address_with_mostly_valid_calls_is_not_slowed(client: Mesh) -> None:
    for _ in range(45):
        await client.get("/api/v2/nowhere")
    assert await with_invented(client, 40) == [401] * 40


async def test_calls_without_known_bearer_do_not_offset_refused_ones(client: Mesh) -> None:
    told = []
    for number in range(60):
        await client.get("/nowhere", token=f"padding {number}")
        told += await with_invented(client, 1)
    assert told.count(401) == MOST + 1


async def test_invalid_tokens_are_counted_on_every_path(client: Mesh) -> None:
    told = [(await client.get(QUOTIENT_FAMILIAL_PATH, token=f"invented {number}")).status for number in range(40)]
    assert told == [401] * (MOST + 1) + [429] * (39 - MOST)
    told_v2 = await client.get("/api/v2/composition-familiale-v2", token="invented")
    assert (told_v2.status, told_v2.json) == (429, {"errors": ["Vous avez effectué trop de requêtes"]})


async def test_a_call_without_a_bearer_is_not_slowed(client: Mesh) -> None:
    assert (await with_invented(client, 40))[-1] == 429
    assert (await client.get(QUOTIENT_FAMILIAL_PATH, token="")).status == 401


async def test_clients_behind_a_trusted_proxy_are_counted_apart(opened: Callable[..., Any]) -> None:
    async with opened(trusted_proxies=("127.0.0.1",)) as client:
        guilty = {"X-Forwarded-For": "10.1.1.1, 203.0.113.1"}
        assert (await with_invented(client, 40, headers=guilty))[-1] == 429
        assert (await with_invented(client, 1, headers={"X-Forwarded-For": "203.0.113.1"})) == [429]
        assert (await with_invented(client, 1, headers={"X-Forwarded-For": "203.0.113.2"})) == [401]


async def test_a_common_invalid_token_is_rate_limited_for_each_address(opened: Callable[..., Any]) -> None:
    async with opened(trusted_proxies=("127.0.0.1",), calls_per_second=20) as client:
        both = {"X-Api-Key": token(), "X-Forwarded-For": "203.0.113.1"}
        stranger = {"X-Forwarded-For": "203.0.113.2"}
        others = [
            (await client.get(QUOTIENT_FAMILIAL_PATH, token="undefined", headers=stranger)).status for _ in range(25)
        ]
        answer = await client.get(QUOTIENT_FAMILIAL_PATH, CAF_ALLOCATAIRE, token="undefined", headers=both)
    assert others == [401] * 20 + [429] * 5
    assert answer.status == 200


async def test_a_session_just_refused_is_not_asked_about_again(client: Mesh) -> None:
    answers = [await with_session(client, "unheard of") for _ in range(10)]
    assert {(answer.status, *answer.codes) for answer in answers} == {(401, "51501")}
    assert introspections(client) == 1


async def test_new_sessions_are_rate_limited_and_known_ones_are_not(opened: Callable[..., Any]) -> None:
    async with opened(unknown_sessions_per_second=1, refused_bearers_per_minute=1000) as client:
        assert (await with_session(client, "jeton-maelys")).status == 200
        invented = [asyncio.create_task(with_session(client, f"invented {number}")) for number in range(30)]
        await asyncio.sleep(0)
        assert (await with_session(client, "jeton-maelys")).status == 200
        told = [answer.status for answer in await asyncio.gather(*invented)]
        assert introspections(client) <= 2 + told.count(401)
    assert set(told) == {401, 429}


async def test_a_place_that_would_come_too_late_is_refused() -> None:
    turns = Pacer(2, clock=lambda: 100.0)
    assert [await turns.acquire(0.0) for _ in range(5)] == [True, True, True, False, False]


async def test_places_are_spread_evenly_after_a_burst_of_one_second() -> None:
    now = [0.0]
    turns = Pacer(8, clock=lambda: now[0])
    taken = [await turns.acquire(0.0) for _ in range(15)]
    assert taken.count(True) == 9
    now[0] += 0.5
    assert [await turns.acquire(0.0) for _ in range(6)].count(True) == 4


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("no address", "", True),
    ],
)
def test_ipv6_addresses_of_one_network_are_counted_together(one: str, other: str, same: bool) -> None:
    assert (networks_of(one)[0] == networks_of(other)[0]) is same


class CountingProvider(Provider):
    def __init__(self) -> None:
        super().__init__(offer())
        self.marks: list[str] = []

    async def __call__(self, request: Request) -> Reply:
        if isinstance(request, Lookup):
            self.marks.append(request.caller.mark)
        return await super().__call__(request)


async def test_a_caller_s_mark_is_one_for_each_token_id_in_all_gateways() -> None:
    """Tests callers' marks, the pseudonyms under which providers see callers. A token id has the same mark at all
    gateways, and different token ids have different marks."""
    acme, ids = CountingProvider(), [str(uuid.uuid4()), str(uuid.uuid4())]
    for _ in range(2):
        async with gateway_between(acme) as client:
            for number, id in enumerate((ids[0], ids[0], ids[1])):
                bearer = token(*SCOPES, id=id, valid_s=3600 + number)
                assert (await ask(client, token=bearer)).status == 200
    one, same, other, elsewhere, *_ = acme.marks
    assert one == same != other
    assert elsewhere == one
    assert {len(mark) for mark in acme.marks} == {16}


async def test_the_networks_of_one_ipv6_customer_share_a_limit(opened: Callable[..., Any]) -> None:
    async with opened(trusted_proxies=("127.0.0.1",)) as client:

        async def statuses(network: str, count: int) -> set[int]:
            forwarded = [{"X-Forwarded-For": f"{network}:{number:x}::1"} for number in range(count)]
            return {(await with_session(client, secrets.token_urlsafe(20), headers=one)).status for one in forwarded}

        assert await statuses("2001:db8:1", 10 * MOST) == {401}
        assert await statuses("2001:db8:1", 10 * MOST + 2) == {401, 429}
        assert await statuses("2001:db8:2", 10) == {401}
