"""Tests of a network that is cut, slow, half open or silent. Every call gets the right answer or a typed error by its
deadline, and calls succeed again once the network works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from bouquet_cnaf.simulator import simulator
from bouquet_cnaf.worker import worker as cnaf
from bouquet_mesh.bus.api import Bus
from bouquet_mesh.bus.memory import MemoryBus
from bouquet_mesh.listen import listening
from bouquet_proto.messages import Failed, Found, Reply
from bouquet_worker.simulate import CLOCK
from bouquet_worker.testing import cases_in
from bouquet_worker.testing.harness import TODAY, lookup_of, without_pauses
from tests.support.bus import FOUND, PROVIDER, connected_bus, lookup_request, reply_found, serving, until_reply
from tests.support.proxy import TcpProxy
from tests.support.waiting import TEST_TIMEOUT_S

DEADLINE_S = 1.5
AWAY = [Failed("bus_unavailable"), Failed("deadline_exceeded"), Failed("not_deployed")]
SILENT = [Failed("upstream_timeout"), Failed("upstream_unavailable"), Failed("deadline_exceeded")]

CASES = {case.name: case for case in cases_in(Path(__file__).parents[2] / "services/providers/cnaf/cases")}
PEOPLE = [CASES["composition_of_a_couple"], CASES["composition_alone"]]

Fault: TypeAlias = Callable[[TcpProxy], Awaitable[None]]


async def close_connections(relay: TcpProxy) -> None:
    await relay.close()


async def hold_both(relay: TcpProxy) -> None:
    relay.hold()


async def hold_requests(relay: TcpProxy) -> None:
    relay.hold(from_server=False)


async def hold_replies(relay: TcpProxy) -> None:
    relay.hold(from_client=False)


async def slow(relay: TcpProxy) -> None:
    relay.delay_s = 0.02


async def small_pieces(relay: TcpProxy) -> None:
    relay.piece_bytes, relay.delay_s = 100, 0.01


async def mend(relay: TcpProxy, fault: Fault) -> None:
    relay.resume()
    if fault is close_connections:
        await relay.open()


FAULTS = [close_connections, hold_both, hold_requests, hold_replies, slow, small_pieces]
PASSABLE = [slow, small_pieces]


@pytest.mark.broker
@pytest.mark.parametrize("side", ["caller", "worker"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_broken_connection_to_the_broker_is_a_typed_error_and_recovers(
    url: str, fault: Fault, side: str
) -> None:
    async with TcpProxy(url) as relay:
        await relay.open()
        caller_url, worker_url = (relay.url, url) if side == "caller" else (url, relay.url)
        async with (
            connected_bus(caller_url) as caller,
            connected_bus(worker_url) as worker,
            serving(worker, reply_found),
        ):
            within_s = TEST_TIMEOUT_S if fault in PASSABLE else DEADLINE_S
            calls = [asyncio.create_task(caller.call(PROVIDER, lookup_request(within_s=within_s))) for _ in range(5)]
            await asyncio.sleep(0)
            await fault(relay)
            calls += [asyncio.create_task(caller.call(PROVIDER, lookup_request(within_s=within_s))) for _ in range(20)]
            replies = await asyncio.gather(*calls)  # all calls have ended before the network is restored
            assert all(reply in (FOUND, *AWAY) for reply in replies)
            assert (FOUND in replies[5:]) == (fault in PASSABLE)
            await mend(relay, fault)
            await until_reply(caller, FOUND)


@asynccontextmanager
async def asking_through_a_relay() -> AsyncIterator[tuple[Bus, TcpProxy, list[Reply]]]:
    """Runs the CNAF's worker with a proxy between the worker and its upstream. Yields the bus, the proxy, and the right
    answers for `PEOPLE`."""
    app, bus = simulator.app(), MemoryBus()
    app[CLOCK] = lambda: TODAY
    async with listening(app, "127.0.0.1", 0) as upstream_url, TcpProxy(upstream_url) as relay:
        await relay.open()
        with without_pauses(cnaf, TODAY):
            async with cnaf.running(bus, simulator.settings(relay.url) | {"BOUQUET_CNAF_DRAIN_S": "0.1"}):
                answers = [await bus.call(PROVIDER, lookup_of(person)) for person in PEOPLE]
                assert all(isinstance(answer, Found) for answer in answers) and answers[0] != answers[1]
                yield bus, relay, answers


async def check(bus: Bus, answers: list[Reply], times: int = 4, *, within_s: float = DEADLINE_S) -> list[Reply]:
    """Makes `times` simultaneous calls about each of `PEOPLE`. Asserts that each reply is the right answer or a typed
    error, and returns the replies."""
    people = PEOPLE * times
    replies = await asyncio.gather(*(bus.call(PROVIDER, lookup_of(person, within_s=within_s)) for person in people))
    for reply, own in zip(replies, answers * times, strict=True):
        assert reply in (own, *SILENT, Failed("breaker_open"))
    return replies


async def heals(bus: Bus, answers: list[Reply]) -> None:
    """Repeats calls about `PEOPLE` until all of them get the right answer, as they must once the network works
    again."""
    # That may take 5 s, since an open circuit breaker lets no call through before.
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while await check(bus, answers, times=1, within_s=TEST_TIMEOUT_S) != answers:  # noqa: ASYNC110 - the upstream has no event
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_broken_connection_to_an_upstream_is_a_typed_error_and_recovers(fault: Fault) -> None:
    async with asking_through_a_relay() as (bus, relay, answers):
        await fault(relay)
        await check(bus, answers)
        await mend(relay, fault)
        await heals(bus, answers)


async def test_an_upstream_answer_after_the_deadline_is_a_timeout_and_reaches_no_other_call() -> None:
    async with asking_through_a_relay() as (bus, relay, answers):
        await hold_replies(relay)
        late = await check(bus, answers, times=2)
        assert all(reply in SILENT for reply in late)
        relay.resume()
        assert await check(bus, answers, within_s=TEST_TIMEOUT_S) == answers * 4


async def test_an_unstable_upstream_never_gives_a_wrong_answer_and_recovers() -> None:
    async with asking_through_a_relay() as (bus, relay, answers):
        for _ in range(5):
            await close_connections(relay)
            await check(bus, answers, times=1)
            await relay.open()
            await check(bus, answers, times=1)
        await heals(bus, answers)
