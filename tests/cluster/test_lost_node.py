"""Tests of nodes killed and restarted under load: few calls fail, and afterwards all are answered."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from bouquet_mesh.bus import amqp, consumer
from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_mesh.doctor.hosts import check_hosts
from bouquet_mesh.outbox.amqp import open_amqp_outbox
from bouquet_mesh.outbox.api import NotSent, Outbox
from bouquet_proto.messages import Reply, Request
from bouquet_proto.names import JOURNAL_QUEUE, queue_of, reserve_queue_of
from tests.cluster.alerts import until_firing
from tests.cluster.hosts import doctor, until_listed
from tests.support.broker import Broker, quoted
from tests.support.bus import FOUND, PROVIDER, connected_bus, lookup_request, serving, until_reply
from tests.support.prometheus import PrometheusServer
from tests.support.rabbitmq_cluster import RabbitCluster
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = [pytest.mark.broker, pytest.mark.slow]

EVERY_S = 0.02
UPSTREAM_S = 0.05
CALL_S = 20.0
MOST_LOST = 25
"""Largest number of calls that may fail each time the cluster loses a node, and of calls under way at once. So more
calls fail only if some fail that begin after the loss, however slow the machine is."""

SETUP_TIME = "{ok, Seconds} = application:get_env(kernel, net_setuptime), integer_to_list(Seconds)."
"""Erlang expression that returns the seconds in which a node must have connected to another one."""
STOP_COPY = "ra:stop_server(quorum_queues, {binary_to_atom(<<%s>>), node()}), []."
START_COPY = "ra:restart_server(quorum_queues, {binary_to_atom(<<%s>>), node()}), []."
"""Erlang expressions that end, and start again, the copy of a quorum queue on a node that lives. The name of a copy is
the vhost's and the queue's."""


async def answer(_: Request) -> Reply:
    await asyncio.sleep(UPSTREAM_S)
    return FOUND


class Load:
    """Calls that two callers make in turn at a steady rate, and their replies."""

    def __init__(self, callers: list[AmqpBus]) -> None:
        self._callers = callers
        self._calls: set[asyncio.Task[None]] = set()
        self.replies: list[Reply] = []

    async def answers_more(self, count: int) -> None:
        wanted = self.answered + count
        await until(lambda: self.answered >= wanted)

    @property
    def answered(self) -> int:
        return self.replies.count(FOUND)

    async def run(self) -> None:
        try:
            for number in itertools.count():
                if len(self._calls) >= MOST_LOST:
                    await asyncio.wait(self._calls, return_when=asyncio.FIRST_COMPLETED)
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
        self.replies.append(reply)

    def failures(self) -> Counter[str]:
        return Counter(f"{reply}" for reply in self.replies if reply != FOUND)


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
    monkeypatch.setattr(consumer, "DELETE_AFTER_S", 600.0)


async def test_calls_outlive_the_node_of_their_queue_whose_loss_alert_and_doctor_report(
    cluster: RabbitCluster, url: str, watch: PrometheusServer, tmp_path: Path
) -> None:
    usual, reserve = queue_of(PROVIDER), reserve_queue_of(PROVIDER)
    await until_firing(watch, set())
    async with mesh(url) as load, open_amqp_outbox(url, "journal") as outbox, outbox.collect():
        node = await asyncio.to_thread(cluster.node_of, usual, url)
        whole = await until_listed(node, url, {usual: "running"}, journal_copies=3)
        node.kill()
        try:
            await load.answers_more(100)
            second = await asyncio.to_thread(cluster.node_of, reserve, url)
            assert second is not node
            lost = await until_listed(second, url, {usual: "down", reserve: "running"}, journal_copies=2)
            report = await doctor(url, lost, tmp_path)
            await until_firing(watch, {"BrokerNodeLost"})
        finally:
            await asyncio.to_thread(node.start)
        await load.answers_more(100)
        await until_firing(watch, set())
    await Broker(second, cluster.by_node(second, url)).delete(JOURNAL_QUEUE)
    assert load.failures().total() <= MOST_LOST, load.failures()

    subjects = {each: f"broker node {each.name}" for each in cluster.nodes}
    before = {finding.subject: f"{finding.state}: {finding.says}" for finding in check_hosts(whole)}
    assert f"the queue of {PROVIDER}" in before[subjects[node]]
    assert before["copies of the journal's queue"].startswith("well: 3 of 3 run")
    way_round = f"the queue of {PROVIDER} is down: calls go by its reserve queue on {second.name}"
    assert way_round in report.finding(subjects[node])
    assert "its copy of the journal's queue does not run" in report.finding(subjects[node])
    assert f"the reserve queue of {PROVIDER}" in report.finding(subjects[second])
    assert report.finding("copies of the journal's queue").startswith("wrong: 2 of 3 run: none is lost; it stops if 1")


async def test_nodes_read_the_environment_file_that_is_deployed(cluster: RabbitCluster) -> None:
    assert [await asyncio.to_thread(node.evaluate, SETUP_TIME) for node in cluster.nodes] == ["2", "2", "2"]


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
        await until_sent(outbox, b"before")
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
