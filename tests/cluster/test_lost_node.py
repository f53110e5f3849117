"""Tests of nodes killed and restarted under load: few calls fail, and afterwards all are answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from bouquet_mesh.bus import amqp
from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_mesh.outbox.amqp import open_amqp_outbox
from bouquet_mesh.outbox.api import NotSent, Outbox
from bouquet_proto.messages import Reply, Request
from bouquet_proto.names import JOURNAL_QUEUE, queue_of, reserve_queue_of
from tests.deploy.causes import FIRED_IN_A_CLUSTER
from tests.support.broker import Broker, quoted
from tests.support.bus import FOUND, PROVIDER, connected_bus, lookup_request, serving, until_reply
from tests.support.prometheus import PrometheusServer
from tests.support.rabbitmq_cluster import CONNECTED, RabbitCluster
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

EVERY_S = 0.02
UPSTREAM_S = 0.05
CALL_S = 20.0
MOST_LOST = 25
"""Largest number of calls that may fail each time the cluster loses a node."""
MOST_DISCONNECTED = 50
"""Largest number of calls that may fail each time a node loses its connections to the others. The load makes as many
calls in a second; on a quiet machine, some 25 fail."""

STOP_COPY = "ra:stop_server(quorum_queues, {binary_to_atom(<<%s>>), node()}), []."
START_COPY = "ra:restart_server(quorum_queues, {binary_to_atom(<<%s>>), node()}), []."
"""Erlang expressions that end, and start again, the copy of a quorum queue on a node that lives. The name of a copy is
the vhost's and the queue's."""


async def answer(_: Request) -> Reply:
    await asyncio.sleep(UPSTREAM_S)
    return FOUND


class Load:
    """Calls that two callers make in turn at a steady rate. `replies` lists each reply with its time of arrival."""

    def __init__(self, callers: list[AmqpBus]) -> None:
        self._callers = callers
        self._calls: set[asyncio.Task[None]] = set()
        self.replies: list[tuple[float, Reply]] = []

    @property
    def in_flight(self) -> int:
        return len(self._calls)

    async def answers_more(self, count: int) -> None:
        wanted = self.answered + count
        await until(lambda: self.answered >= wanted)

    @property
    def answered(self) -> int:
        return sum(reply == FOUND for _, reply in self.replies)

    async def run(self) -> None:
        try:
            for number in range(1_000_000):
                call = asyncio.create_task(self._call(self._callers[number % 2], f"{number}"))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)
                await asyncio.sleep(EVERY_S)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(TEST_TIMEOUT_S):
                    await asyncio.gather(*self._calls)

    async def _call(self, caller: AmqpBus, id: str) -> None:
        reply = await caller.call(PROVIDER, lookup_request(id, within_s=CALL_S))
        self.replies.append((time.monotonic(), reply))

    def failures(self) -> Counter[str]:
        return Counter(f"{reply}" for _, reply in self.replies if reply != FOUND)


@asynccontextmanager
async def mesh(url: str) -> AsyncIterator[Load]:
    """Runs two callers and three workers, and yields the `Load` of calls between them."""
    async with AsyncExitStack() as stack:
        for number in range(3):
            worker = await stack.enter_async_context(connected_bus(url, f"worker {number}"))
            await stack.enter_async_context(serving(worker, answer))
        callers = [await stack.enter_async_context(connected_bus(url, f"caller {number}")) for number in range(2)]
        for caller in callers:
            await until_reply(caller, FOUND)
        load = Load(callers)
        running = asyncio.create_task(load.run())
        try:
            await load.answers_more(50)
            yield load
        finally:
            running.cancel()
            await asyncio.wait([running])


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets callers repeat a refused request for up to `CALL_S` seconds, because a busy machine may be slow. Prevents
    workers from deleting the queue of a lost node before the node is back."""
    monkeypatch.setattr(amqp, "REPUBLISH_WITHIN_S", CALL_S)
    monkeypatch.setattr(amqp, "DELETE_AFTER_S", 600.0)


async def until_firing(watch: PrometheusServer, firing: set[str]) -> None:
    """Waits until every alert in `firing` fires, and no other alert of `FIRED_IN_A_CLUSTER` does."""
    wanted = {name for name, _ in FIRED_IN_A_CLUSTER}
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while True:
            found = await asyncio.to_thread(watch.query, 'ALERTS{alertstate="firing"}')
            if {one["metric"]["alertname"] for one in found} & wanted == firing:
                return
            await asyncio.sleep(0.2)


async def test_calls_outlive_the_node_of_their_queue_and_an_alert_reports_its_loss(
    cluster: RabbitCluster, url: str, watch: PrometheusServer
) -> None:
    await until_firing(watch, set())
    async with mesh(url) as load:
        node = await asyncio.to_thread(cluster.node_of, queue_of(PROVIDER), url)
        node.kill()
        try:
            await load.answers_more(100)
            assert await asyncio.to_thread(cluster.node_of, reserve_queue_of(PROVIDER), url) is not node
            await until_firing(watch, {"BrokerNodeLost"})
        finally:
            await asyncio.to_thread(node.start)
        await load.answers_more(100)
        await until_firing(watch, set())
    assert load.failures().total() <= MOST_LOST, load.failures()


async def test_calls_outlive_each_step_of_a_rolling_restart(cluster: RabbitCluster, url: str) -> None:
    async with mesh(url) as load:
        for node in cluster.nodes:
            await asyncio.to_thread(node.stop_in_order)
            try:
                await load.answers_more(50)
            finally:
                await asyncio.to_thread(node.start)
            await load.answers_more(50)
    assert load.failures().total() <= len(cluster.nodes) * MOST_LOST, load.failures()


async def test_calls_outlive_lost_connections_between_nodes(cluster: RabbitCluster, url: str) -> None:
    async with mesh(url) as load:
        for node in cluster.nodes:
            await asyncio.to_thread(node.disconnect)
            await load.answers_more(50)
        assert {await asyncio.to_thread(node.evaluate, CONNECTED) for node in cluster.nodes} == {"3"}
    assert load.failures().total() <= len(cluster.nodes) * MOST_DISCONNECTED, load.failures()


async def test_an_alert_reports_a_journal_queue_without_a_majority_of_its_copies(
    cluster: RabbitCluster, url: str, watch: PrometheusServer
) -> None:
    """Stops two of the queue's three copies on nodes that live, and starts them again."""
    await until_firing(watch, set())
    copy = quoted(f"{url.rpartition('/')[2]}_{JOURNAL_QUEUE}")
    async with (
        open_amqp_outbox(url, "gateway") as outbox,
        open_amqp_outbox(url, "journal") as writer,
        writer.collect(max_wait_s=0.01) as batches,
    ):
        await until(lambda: writer.connected and outbox.connected)
        await outbox.send([b"before"])
        await (await anext(batches)).done()
        for node in cluster.nodes[1:]:
            await asyncio.to_thread(node.evaluate, STOP_COPY % copy)
        try:
            await until_firing(watch, {"JournalQueueStuck"})
        finally:
            for node in cluster.nodes[1:]:
                await asyncio.to_thread(node.evaluate, START_COPY % copy)
        await until_firing(watch, set())
        await until_sent(outbox, b"after")
        while b"after" not in (batch := await anext(batches)).bodies:
            await batch.done()
        await batch.done()
    await Broker(cluster.nodes[0], cluster.by_node(cluster.nodes[0], url)).delete(JOURNAL_QUEUE)


async def until_sent(outbox: Outbox, record: bytes) -> None:
    """Repeats the sending of a record until the broker confirms it."""
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while True:
            try:
                return await outbox.send([record])
            except NotSent:
                await asyncio.sleep(0.2)


async def test_an_alert_reports_a_node_in_a_minority(cluster: RabbitCluster, watch: PrometheusServer) -> None:
    await until_firing(watch, set())
    lost = cluster.nodes[1:]
    for node in lost:
        node.kill()
    try:
        await until_firing(watch, {"BrokerNodeLost", "BrokerMinority"})
    finally:
        await asyncio.gather(*(asyncio.to_thread(node.start) for node in lost))
    await until_firing(watch, set())
