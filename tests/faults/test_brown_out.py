"""Brown-out: of four times as many callers as there are places, each is answered or refused, and nobody waits for one.

How much is answered meanwhile is the benchmark's to say (`make bench`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.bus import LONG_S, until
from tests.support.gateway_client import somebody
from tests.support.mesh import PATIENT, giving_up
from tests.support.people import named
from tests.support.processes import fleet

pytestmark = pytest.mark.broker

PLACES = 20
TIMES = 4


def people() -> Iterator[dict[str, Any]]:
    """Whom the CAF knows, nobody twice, so that no answer is cached or shared."""
    for number in range(TIMES * PLACES):
        yield named("CAF-FOUND", anneeDateNaissance=1930 + number, jourDateNaissance=28)


async def test_who_finds_no_place_is_refused_while_the_others_are_answered(broker_url: str) -> None:
    async with fleet(broker_url) as ships:
        await ships.worker("cnaf", BOUQUET_CNAF_CONCURRENCY=str(PLACES), **giving_up("cnaf", after_s=LONG_S))
        _, client = await ships.gateway(max_requests=PLACES, max_calls_per_provider=PLACES, **PATIENT)
        asking = [client.get(params=person, token=somebody()) for person in people()]
        ships.gate.shut()
        let_in = [asyncio.create_task(call) for call in asking[:PLACES]]
        await until(lambda: len(ships.heard("cnaf")) == PLACES)
        refused = await asyncio.gather(*asking[PLACES:])
        assert {(answer.status, answer.headers["Retry-After"]) for answer in refused} == {(503, "1")}
        assert not any(call.done() for call in let_in)
        ships.gate.open.set()
        assert {answer.status for answer in await asyncio.gather(*let_in)} == {200}
        assert (await client.get(params=named("CAF-FOUND", jourDateNaissance=27))).status == 200
