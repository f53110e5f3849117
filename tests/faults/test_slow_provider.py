"""Tests of fault F27 of docs/faults.md: all workers of a provider are busy. Calls above the provider's limit are
refused at once."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from bouquet_mesh.bus.open import open_bus
from tests.support.gateway_client import token
from tests.support.held_providers import HeldProvider, gateway_with_providers, query_for
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

SHARE = 5
EXCESS = 40
NAMES = [f"DUPONT{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]


def another() -> str:
    return token("acme_dossier", "acme_age", id=str(uuid.uuid4()))


async def test_f27_a_slow_provider_delays_no_call_to_other_providers(broker_url: str) -> None:
    slow, quick = HeldProvider("acme", "90"), HeldProvider("zenith", "91")
    quick.release.set()
    async with (
        open_bus(broker_url, "tests") as bus,
        gateway_with_providers(
            bus, slow, quick, concurrency=SHARE, max_calls_per_provider=SHARE, deadline_s=TEST_TIMEOUT_S
        ) as (_, client),
    ):
        under_way = [
            asyncio.create_task(client.get(slow.path, query_for(name), token=another())) for name in NAMES[:SHARE]
        ]
        await until(lambda: len(slow.requests) == SHARE)

        answers = [await client.get(slow.path, query_for(NAMES[SHARE + number % 20])) for number in range(EXCESS)]
        assert {(answer.summary, answer.headers["Retry-After"]) for answer in answers} == {("502 90001 ACME", "1")}
        assert len(slow.requests) == SHARE

        assert {(await client.get(quick.path, query_for(name))).status for name in NAMES} == {200}

        slow.release.set()
        assert [(await call).status for call in under_way] == [200] * SHARE
        assert (await client.get(slow.path, query_for("MARTIN"))).status == 200
