"""Tests of a gateway that gets four times as many simultaneous calls as it accepts. It answers or refuses each call,
and refuses without delay."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.gateway_client import unique_token
from tests.support.mesh import LONG_TIMEOUTS, short_upstream_timeouts
from tests.support.people import staged_query
from tests.support.processes import process_mesh
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

PLACES = 20
TIMES = 4


def people() -> Iterator[dict[str, Any]]:
    for number in range(TIMES * PLACES):
        yield staged_query("CAF-FOUND", anneeDateNaissance=1930 + number, jourDateNaissance=28)


async def test_calls_above_the_limit_are_refused_while_the_others_are_answered(broker_url: str) -> None:
    async with process_mesh(broker_url) as system:
        await system.worker(
            "cnaf", BOUQUET_CNAF_CONCURRENCY=str(PLACES), **short_upstream_timeouts("cnaf", after_s=TEST_TIMEOUT_S)
        )
        _, client = await system.gateway(max_requests=PLACES, max_calls_per_provider=PLACES, **LONG_TIMEOUTS)
        asking = [client.get(params=person, token=unique_token()) for person in people()]
        system.upstreams.hold()
        let_in = [asyncio.create_task(call) for call in asking[:PLACES]]
        await until(lambda: len(system.received("cnaf")) == PLACES)
        refused = await asyncio.gather(*asking[PLACES:])
        assert {(answer.status, answer.headers["Retry-After"]) for answer in refused} == {(503, "1")}
        assert not any(call.done() for call in let_in)
        system.upstreams.open.set()
        assert {answer.status for answer in await asyncio.gather(*let_in)} == {200}
        assert (await client.get(params=staged_query("CAF-FOUND", jourDateNaissance=27))).status == 200
