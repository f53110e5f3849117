"""Tests that several gateway processes share one rate limit per token through redis."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from tests.support.gateway_client import Answer, GatewayClient, unique_token
from tests.support.people import staged_query
from tests.support.processes import Process, process_mesh
from tests.support.redis import RedisServer

pytestmark = pytest.mark.broker

GATEWAYS = 4
LIMIT = 20
CALLS = 240
BURSTS = 5


@pytest.fixture
async def gateways(broker_url: str, redis_server: RedisServer) -> AsyncIterator[list[tuple[Process, GatewayClient]]]:
    async with process_mesh(broker_url) as system:
        await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
        shared: dict[str, str | float] = {"cache_url": redis_server.url, "calls_per_second": LIMIT}
        yield await asyncio.gather(*(system.gateway(**shared) for _ in range(GATEWAYS)))


async def burst(clients: list[GatewayClient], somewhere: int) -> list[Answer]:
    """Makes a hundred calls a second for 2.4 seconds with one token, and returns the answers. The limit is twenty
    calls a second."""
    token = unique_token()

    async def call(number: int) -> Answer:
        await asyncio.sleep(number / 100)
        further, year = divmod(number, 50)
        born = {"anneeDateNaissance": 1950 + year, "jourDateNaissance": 28}
        person = staged_query("CAF-FOUND", **born, codeCogInseeCommuneNaissance=f"{29001 + somewhere + further}")
        return await clients[number % GATEWAYS].get(params=person, token=token)

    return await asyncio.gather(*map(call, range(CALLS)))


async def test_four_gateway_processes_let_exactly_the_limit_pass_in_every_second(
    gateways: list[tuple[Process, GatewayClient]],
) -> None:
    """Tests that four gateway processes together accept exactly the number of calls per second that a token's limit
    allows. The burst is repeated if a process lost its connection to redis meanwhile, because processes share no limit
    without redis."""
    clients = [client for _, client in gateways]
    for attempt in range(BURSTS):
        losses = [len(process.logged("store unavailable")) for process, _ in gateways]
        answers = await burst(clients, 10 * attempt)
        if losses == [len(process.logged("store unavailable")) for process, _ in gateways]:
            break
    else:
        pytest.fail("redis was never there for the time of a burst")
    made = Counter(answer.headers["RateLimit-Reset"] for answer in answers)
    passed = Counter(answer.headers["RateLimit-Reset"] for answer in answers if answer.status == 200)
    assert {answer.status for answer in answers} == {200, 429}
    assert passed == {window: min(count, LIMIT) for window, count in made.items()}
