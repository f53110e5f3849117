"""F27: the worker pool of one provider starves. What it may hold is explicit; the excess is refused fast."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from bouquet_mesh.bus.open import open_bus
from tests.support.bus import LONG_S, until
from tests.support.gateway_client import token
from tests.support.held_providers import Fund, of, town

pytestmark = pytest.mark.broker

SHARE = 5
EXCESS = 40
NAMES = [f"DUPONT{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]


def another() -> str:
    """A token of its own: one may not hold all the places."""
    return token("acme_dossier", "acme_age", id=str(uuid.uuid4()))


async def test_f27_a_slow_fund_starves_neither_its_callers_nor_the_other_funds(broker_url: str) -> None:
    slow, quick = Fund("acme", "90"), Fund("zenith", "91")
    quick.open.set()
    async with (
        open_bus(broker_url, "tests") as bus,
        town(bus, slow, quick, concurrency=SHARE, max_calls_per_provider=SHARE, deadline_s=LONG_S) as (_, client),
    ):
        under_way = [asyncio.create_task(client.get(slow.path, of(name), token=another())) for name in NAMES[:SHARE]]
        await until(lambda: len(slow.asked) == SHARE)

        answers = [await client.get(slow.path, of(NAMES[SHARE + number % 20])) for number in range(EXCESS)]
        assert {(answer.told, answer.headers["Retry-After"]) for answer in answers} == {("502 90001 ACME", "1")}
        assert len(slow.asked) == SHARE

        assert {(await client.get(quick.path, of(name))).status for name in NAMES} == {200}

        slow.open.set()
        assert [(await call).status for call in under_way] == [200] * SHARE
        assert (await client.get(slow.path, of("MARTIN"))).status == 200
