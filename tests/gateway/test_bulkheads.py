"""Tests of the limit of calls in flight per provider: a slow provider does not use up other providers' limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from bouquet_gateway.load.bulkheads import Bulkheads
from bouquet_mesh.bus.memory import MemoryBus
from bouquet_proto.messages import Caller, Describe, Failed, Lookup
from tests.support.bus import FOUND, PROVIDER, BlockedHandler, lookup_request, reply_found, serving
from tests.support.mesh import mesh
from tests.support.people import CAF_ALLOCATAIRE, staged_query
from tests.support.waiting import TEST_TIMEOUT_S, until

BUSY = Failed("provider_busy")
MOST = 2


@pytest.fixture
def blocked() -> BlockedHandler:
    return BlockedHandler()


@pytest.fixture
async def calls(blocked: BlockedHandler) -> AsyncIterator[Bulkheads]:
    bus = MemoryBus()
    async with serving(bus, blocked, drain_s=0.1), serving(bus, reply_found, provider="msa"):
        yield Bulkheads(bus, MOST)


async def filled(calls: Bulkheads, blocked: BlockedHandler) -> list[asyncio.Task[object]]:
    under_way: list[asyncio.Task[object]] = [
        asyncio.create_task(calls.call(PROVIDER, lookup_request(f"{number}", within_s=TEST_TIMEOUT_S)))
        for number in range(MOST)
    ]
    await until(lambda: len(blocked.received) == MOST)
    return under_way


async def test_a_call_above_the_limit_of_its_provider_is_refused(calls: Bulkheads, blocked: BlockedHandler) -> None:
    under_way = await filled(calls, blocked)
    assert await calls.call(PROVIDER, lookup_request()) == BUSY
    assert len(blocked.received) == MOST
    blocked.release.set()
    assert await asyncio.gather(*under_way) == [FOUND] * MOST


def asked_by(mark: str, id: str) -> Lookup:
    return structs.replace(lookup_request(id), caller=Caller(mark=mark))


async def test_one_caller_may_hold_a_quarter_of_a_provider_s_places(blocked: BlockedHandler) -> None:
    bus = MemoryBus()
    async with serving(bus, blocked, drain_s=0.1):
        calls = Bulkheads(bus, 8)
        first = [asyncio.create_task(calls.call(PROVIDER, asked_by("one", f"{number}"))) for number in range(2)]
        await until(lambda: len(blocked.received) == 2)
        assert await calls.call(PROVIDER, asked_by("one", "2")) == BUSY
        others = [asyncio.create_task(calls.call(PROVIDER, asked_by(f"{n}", f"of {n}"))) for n in range(6)]
        await until(lambda: len(blocked.received) == 8)
        assert await calls.call(PROVIDER, asked_by("the last", "9")) == BUSY
        blocked.release.set()
        assert await asyncio.gather(*first, *others) == [FOUND] * 8
        assert await calls.call(PROVIDER, asked_by("one", "10")) == FOUND
        await until(lambda: not calls._calls_of_callers)


async def test_each_provider_has_a_limit_of_its_own(calls: Bulkheads, blocked: BlockedHandler) -> None:
    await filled(calls, blocked)
    assert await calls.call("msa", lookup_request()) == FOUND


async def test_an_answer_frees_a_place(calls: Bulkheads, blocked: BlockedHandler) -> None:
    under_way = await filled(calls, blocked)
    blocked.release.set()
    await asyncio.gather(*under_way)
    assert await calls.call(PROVIDER, lookup_request()) == FOUND


async def test_a_call_that_is_too_late_for_its_caller_still_takes_its_place() -> None:
    async with mesh(max_calls_per_provider=1, hedge_after_s=0.01, double_file_grace_s=0.01) as client:
        client.upstreams.hold("cnaf")
        assert (await client.get(params=staged_query("CAF-NO-FILE MSA-FOUND"))).summary == "200 MSA"
        assert (await client.get(params=staged_query("CAF-FOUND MSA-NO-FILE"))).summary == "502 23001 CNAF"
        assert client.call_counts["cnaf"] == 1
        client.upstreams.open.set()


async def test_a_silent_provider_gives_its_places_back_at_the_deadline(
    calls: Bulkheads, blocked: BlockedHandler
) -> None:
    late = [calls.call(PROVIDER, lookup_request(f"{number}", within_s=0.2)) for number in range(MOST)]
    assert await asyncio.gather(*late) == [Failed("deadline_exceeded")] * MOST
    blocked.release.set()
    assert await calls.call(PROVIDER, lookup_request()) == FOUND


async def test_ended_calls_leave_no_state_behind(calls: Bulkheads, blocked: BlockedHandler) -> None:
    under_way = await filled(calls, blocked)
    under_way[0].cancel()
    blocked.release.set()
    await asyncio.wait(under_way)
    await until(lambda: not any(calls._calls_of_providers.values()))


async def test_requests_of_the_gateway_itself_pass_a_full_bulkhead(calls: Bulkheads, blocked: BlockedHandler) -> None:
    await filled(calls, blocked)
    blocked.release.set()
    assert await calls.call(PROVIDER, Describe(id="d", deadline=time.time() + TEST_TIMEOUT_S)) == FOUND


async def test_a_busy_provider_makes_a_regime_decision_inconclusive() -> None:
    people = ("CAF-FOUND MSA-NO-FILE", "CAF-NO-FILE MSA-NO-FILE", "CAF-NO-FILE MSA-FOUND")
    async with mesh(max_calls_per_provider=1) as client:
        client.upstreams.hold("cnaf")
        slow = asyncio.create_task(client.get(params=CAF_ALLOCATAIRE))
        await until(lambda: client.call_counts["cnaf"] == 1)
        answers = [await client.get(params=staged_query(nom)) for nom in people]
        assert not slow.done()
        assert client.call_counts["cnaf"] == 1
        client.upstreams.open.set()
        assert (await slow).summary == "200 CNAF"
    assert [answer.summary for answer in answers] == ["502 23001 CNAF", "502 23001 CNAF", "200 MSA"]
    assert [answer.headers.get("Retry-After") for answer in answers] == ["1", "1", None]
