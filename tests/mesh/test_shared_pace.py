"""One budget a token, however many gateway processes it calls: redis counts for all of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from tests.mesh.door import Answer, Door, somebody
from tests.mesh.people import named
from tests.mesh.processes import fleet
from tests.support.redis import RedisServer

pytestmark = pytest.mark.broker

GATEWAYS = 4
LIMIT = 20
CALLS = 240


@pytest.fixture
async def doors(broker_url: str, redis_server: RedisServer) -> AsyncIterator[list[Door]]:
    async with fleet(broker_url) as ships:
        await asyncio.gather(ships.worker("cnaf"), ships.worker("msa"))
        shared: dict[str, str | float] = {"cache_url": redis_server.url, "calls_per_second": LIMIT}
        started = await asyncio.gather(*(ships.gateway(**shared) for _ in range(GATEWAYS)))
        yield [client for _, client in started]


async def test_four_gateway_processes_let_exactly_the_limit_pass_in_every_second(doors: list[Door]) -> None:
    token = somebody()

    async def call(number: int) -> Answer:
        # Spread over some seconds, so that there are full windows and half-empty ones; and a person of its own each.
        await asyncio.sleep(number / 100)
        somewhere, year = divmod(number, 50)
        born = {"anneeDateNaissance": 1950 + year, "jourDateNaissance": 28}
        person = named("CAF-FOUND", **born, codeCogInseeCommuneNaissance=f"{29001 + somewhere}")
        return await doors[number % GATEWAYS].get(params=person, token=token)

    answers = await asyncio.gather(*map(call, range(CALLS)))
    made = Counter(answer.headers["RateLimit-Reset"] for answer in answers)
    passed = Counter(answer.headers["RateLimit-Reset"] for answer in answers if answer.status == 200)
    assert {answer.status for answer in answers} == {200, 429}
    assert passed == {window: min(count, LIMIT) for window, count in made.items()}
