"""Tests of a broker cluster: each process connects to any node, and to another one when its node is lost, silent or
dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aio_pika
import pytest
from yarl import URL

from bouquet_mesh.amqp import connection, link, quorum
from bouquet_mesh.amqp.connection import Connection
from bouquet_mesh.bus import amqp
from bouquet_mesh.bus.amqp import AmqpBus, open_amqp_bus
from bouquet_mesh.outbox.amqp import open_amqp_outbox
from bouquet_proto.messages import Failed
from tests.support.bus import (
    FOUND,
    PROVIDER,
    BlockedHandler,
    connected_bus,
    lookup_request,
    reply_found,
    serving,
    until_reply,
)
from tests.support.daemon import free_port
from tests.support.proxy import TcpProxy
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

AWAY = Failed("bus_unavailable")
AGE_S = 0.1


@pytest.fixture
async def nodes(url: str) -> AsyncIterator[list[TcpProxy]]:
    """Yields three proxies in front of one broker as the nodes of a cluster. Tests close or freeze them."""
    async with AsyncExitStack() as stack:
        relays = [await stack.enter_async_context(TcpProxy(url)) for _ in range(3)]
        for relay in relays:
            await relay.open()
        yield relays


@pytest.fixture
async def worker(caller: AmqpBus) -> AsyncIterator[None]:
    """Runs a worker that is connected to the broker directly, not through the proxies in `nodes`."""
    async with serving(caller, reply_found):
        yield


def all_of(nodes: list[TcpProxy]) -> str:
    urls = [URL(node.url) for node in nodes]
    return nodes[0].url.replace(f"127.0.0.1:{urls[0].port}", ",".join(f"127.0.0.1:{url.port}" for url in urls))


def used(nodes: list[TcpProxy]) -> list[TcpProxy]:
    return [node for node in nodes if node.connections]


async def only_used(nodes: list[TcpProxy]) -> TcpProxy:
    """Waits until one node alone is used, and returns it. While a node is slow to answer, another one is used too."""
    await until(lambda: len(used(nodes)) == 1)
    [node] = used(nodes)
    return node


async def test_one_node_that_lives_is_enough(nodes: list[TcpProxy], worker: None) -> None:
    for node in nodes[:2]:
        await node.close()
    async with connected_bus(all_of(nodes)) as bus:
        assert await bus.call(PROVIDER, lookup_request()) == FOUND
        assert used(nodes) == [nodes[2]]


async def test_a_call_after_the_loss_of_a_node_waits_for_another_one(nodes: list[TcpProxy], worker: None) -> None:
    """Holds the other nodes until the call has begun, so that it always begins without a connection."""
    async with connected_bus(all_of(nodes)) as bus:
        lost = await only_used(nodes)
        others = [node for node in nodes if node is not lost]
        for node in others:
            node.hold()
        await lost.close()
        await until(lambda: not bus.ready)
        call = asyncio.create_task(bus.call(PROVIDER, lookup_request()))
        await asyncio.sleep(0)
        for node in others:
            node.resume()
        assert await call == FOUND


async def test_a_process_comes_back_to_a_node_that_came_back(nodes: list[TcpProxy], worker: None) -> None:
    async with connected_bus(all_of(nodes)) as bus:
        for node in [*nodes, *nodes]:  # one at a time: whichever it uses is lost in the end
            await node.close()
            await until_reply(bus, FOUND)
            await node.open()
        for node in nodes[1:]:
            await node.close()
        await until_reply(bus, FOUND)
        assert await only_used(nodes) is nodes[0]


async def test_calls_fail_at_once_while_no_node_is_there_and_pass_again_after(
    nodes: list[TcpProxy], worker: None
) -> None:
    async with connected_bus(all_of(nodes)) as bus:
        for node in nodes:
            await node.close()
        await until_reply(bus, AWAY)
        await nodes[1].open()
        await until_reply(bus, FOUND)


async def test_a_node_that_hangs_is_passed_over(
    nodes: list[TcpProxy], worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 600.0)
    for node in nodes[:2]:
        node.hold()
    async with connected_bus(all_of(nodes)) as bus:
        assert await bus.call(PROVIDER, lookup_request()) == FOUND
    await until(lambda: not any(node.connections for node in nodes))


async def test_an_attempt_to_connect_that_is_cancelled_once_the_node_has_accepted_it_leaves_no_connection(
    nodes: list[TcpProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancels an attempt as the link cancels those at the slower of several nodes."""

    async def connect_last(handle: aio_pika.Connection) -> None:
        await connect(handle)
        assert nodes[0].connections
        attempt.cancel()
        await asyncio.sleep(0)

    connect = aio_pika.Connection.connect
    monkeypatch.setattr(aio_pika.Connection, "connect", connect_last)
    attempt = asyncio.create_task(connection.connect(nodes[0].url, "tests"))
    await asyncio.wait([attempt])
    assert attempt.cancelled()
    await until(lambda: not nodes[0].connections)


async def test_a_node_that_falls_silent_is_left_for_another_one(
    nodes: list[TcpProxy], worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leaves the detection to the probes, of which the first call starts one."""

    async def has_majority(_: Connection, __: str) -> bool:
        return True

    monkeypatch.setattr(link, "has_majority", has_majority)
    monkeypatch.setattr(link, "PROBE_TIMEOUT_S", 1.0)
    async with connected_bus(all_of(nodes)) as bus:
        assert await bus.call(PROVIDER, lookup_request()) == FOUND
        silent = await only_used(nodes)
        silent.hold()
        await until(lambda: not bus.ready)
        await until_reply(bus, FOUND)
        assert any(node is not silent for node in used(nodes))


async def test_processes_spread_over_the_nodes(nodes: list[TcpProxy]) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(40):
            await stack.enter_async_context(open_amqp_bus(all_of(nodes), "tests"))
        await until(lambda: used(nodes) == nodes)  # that one of them is left out has a chance of 1 to 3,000,000


async def moved(nodes: list[TcpProxy], former: TcpProxy) -> None:
    """Waits until the only connection leads through another node than `former`."""
    await until(lambda: used(nodes) not in ([], [former]) and former not in used(nodes))


async def test_a_call_in_flight_is_answered_when_its_old_connection_is_replaced(
    nodes: list[TcpProxy], caller: AmqpBus
) -> None:
    handler = BlockedHandler()
    async with serving(caller, handler), open_amqp_bus(all_of(nodes), "tests", max_age_s=AGE_S) as bus:
        await until(lambda: bus.ready)
        former = used(nodes)[0]  # read at once: it is replaced when its age is over, however slow the machine is
        call = asyncio.create_task(bus.call(PROVIDER, lookup_request("in flight")))
        await handler.until_called()
        await until(lambda: len(used(nodes)) == 2)
        handler.release.set()
        assert await call == FOUND
        await moved(nodes, former)
        assert await bus.call(PROVIDER, lookup_request("after the move")) == FOUND
    assert handler.received == ["in flight", "after the move"]


async def test_a_request_in_work_is_answered_once_when_the_old_connection_of_its_worker_is_replaced(
    nodes: list[TcpProxy], caller: AmqpBus
) -> None:
    handler = BlockedHandler()
    async with open_amqp_bus(all_of(nodes), "worker", max_age_s=AGE_S) as bus, serving(bus, handler):
        former = used(nodes)[0]  # read at once: it is replaced when its age is over, however slow the machine is
        call = asyncio.create_task(caller.call(PROVIDER, lookup_request("in work")))
        await handler.until_called()
        await until(lambda: len(used(nodes)) == 2)
        handler.release.set()
        assert await call == FOUND
        await moved(nodes, former)
        assert await caller.call(PROVIDER, lookup_request("after the move")) == FOUND
    assert (handler.received, handler.cancelled) == (["in work", "after the move"], [])


async def test_no_call_fails_while_connections_are_replaced(
    nodes: list[TcpProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine a worker, whose connection too is replaced all the time, takes long to declare its queue.
    monkeypatch.setattr(amqp, "REPUBLISH_WITHIN_S", TEST_TIMEOUT_S)
    opened: set[int] = set()
    async with (
        open_amqp_bus(all_of(nodes), "worker", max_age_s=AGE_S) as worker,
        open_amqp_bus(all_of(nodes), "gateway", max_age_s=AGE_S) as bus,
        serving(worker, reply_found),
    ):
        await until_reply(bus, FOUND)
        while len(opened) < len(nodes):
            assert await bus.call(PROVIDER, lookup_request()) == FOUND
            opened |= {number for number, node in enumerate(nodes) if node.connections}


async def test_records_are_sent_once_while_connections_are_replaced(nodes: list[TcpProxy], url: str) -> None:
    sent, collected, opened = list[bytes](), list[bytes](), set[int]()
    async with (
        open_amqp_outbox(url, "journal") as writer,
        open_amqp_outbox(all_of(nodes), "gateway", max_age_s=AGE_S) as outbox,
        writer.collect(max_wait_s=0.01) as batches,
    ):
        await until(lambda: writer.connected and outbox.connected)
        while len(opened) < len(nodes):
            sent.append(b"%d" % len(sent))
            await outbox.send([sent[-1]])
            batch = await anext(batches)
            collected += batch.bodies
            await batch.done()
            opened |= {number for number, node in enumerate(nodes) if node.connections}
    assert collected == sent


@pytest.mark.parametrize("hung", [0, 1], ids=["the others answer", "one of the others hangs"])
async def test_a_node_in_a_minority_is_left_for_another_one(
    hung: int, nodes: list[TcpProxy], worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    minority: list[Connection] = []

    async def has_majority(asked: Connection, _: str) -> bool:
        return asked not in minority

    async def connect(url: str, name: str) -> Connection:
        opened.append(made := await connection.connect(url, name))
        return made

    opened: list[Connection] = []
    monkeypatch.setattr(link, "has_majority", has_majority)
    monkeypatch.setattr(link, "MAJORITY_CHECK_EVERY_S", 0.0)
    monkeypatch.setattr(link, "connect", connect)
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 600.0)
    async with connected_bus(all_of(nodes)) as bus:
        former = await only_used(nodes)
        assert await bus.call(PROVIDER, lookup_request()) == FOUND
        for node in [node for node in nodes if node is not former][:hung]:
            node.hold()
        minority += opened
        await until(lambda: not former.connections)
        assert await bus.call(PROVIDER, lookup_request()) == FOUND


@pytest.mark.parametrize("leaves", ["minority", "loss"])
async def test_a_node_that_declares_nothing_delays_no_move_to_another_one(
    leaves: str, nodes: list[TcpProxy], worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lets the first node that accepts a new connection fall silent then, as a node does that waits for the others to
    elect a leader."""
    minority, accepted = list[Connection](), list[TcpProxy]()

    async def has_majority(asked: Connection, owner: str) -> bool:
        return asked not in minority and await quorum.has_majority(asked, owner)

    async def connect(url: str, name: str) -> Connection:
        opened.append(made := await connection.connect(url, name))
        accepted.append(next(node for node in nodes if node.url == url))
        if len(accepted) == 2:
            accepted[1].hold()
        return made

    opened: list[Connection] = []
    monkeypatch.setattr(link, "has_majority", has_majority)
    monkeypatch.setattr(link, "MAJORITY_CHECK_EVERY_S", 0.0)
    monkeypatch.setattr(link, "connect", connect)
    monkeypatch.setattr(link, "SETUP_TIMEOUT_S", 600.0)
    monkeypatch.setattr(connection, "HEARTBEAT_S", 600)
    monkeypatch.setattr(quorum, "CHANGE_TIMEOUT_S", 600.0)
    async with connected_bus(all_of(nodes)) as bus:
        assert await bus.call(PROVIDER, lookup_request()) == FOUND
        if leaves == "minority":
            minority += opened
        else:
            await accepted[0].close()
        await until(lambda: len(accepted) == 3 and used(nodes) == [accepted[2]] and bus.ready)
        assert await bus.call(PROVIDER, lookup_request()) == FOUND


@pytest.mark.parametrize("count", [1, 2])
async def test_a_node_whose_connection_is_lost_in_its_check_is_passed_over(
    count: int, nodes: list[TcpProxy], worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[TcpProxy] = []

    async def has_majority(asked: Connection, owner: str) -> bool:
        if len(lost) < count:
            [node] = used(nodes)
            lost.append(node)
            await node.close()
        return await quorum.has_majority(asked, owner)

    monkeypatch.setattr(link, "has_majority", has_majority)
    async with open_amqp_bus(all_of(nodes), "tests") as bus:
        assert await bus.call(PROVIDER, lookup_request()) == FOUND
    assert len(lost) == count


async def test_a_node_that_declares_no_queue_counts_as_one_in_a_minority(
    url: str, rabbit: RabbitNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quorum, "CHANGE_TIMEOUT_S", TEST_TIMEOUT_S)
    opened = await connection.connect(url, "tests")
    try:
        assert await quorum.has_majority(opened, "cnaf")
        monkeypatch.setattr(quorum, "CHANGE_TIMEOUT_S", 1.0)
        rabbit.pause()
        assert not await quorum.has_majority(opened, "cnaf")
    finally:
        rabbit.resume()
        await opened.close()


async def test_what_is_logged_of_nodes_holds_no_password(
    nodes: list[TcpProxy], worker: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    ports = [free_port(), free_port()]
    url = all_of(nodes).replace("@", f"@127.0.0.1:{ports[0]},127.0.0.1:{ports[1]},")
    async with connected_bus(url) as bus:
        while "broker node unavailable" not in caplog.messages:
            for node in used(nodes):
                await node.close()
                await until_reply(bus, FOUND)
                await node.open()
            await asyncio.sleep(0)
    ours = [record for record in caplog.records if record.name.startswith("bouquet")]
    assert {vars(record)["node"] for record in ours if record.message == "broker node unavailable"} <= {
        f"127.0.0.1:{port}" for port in [*ports, *(URL(node.url).port for node in nodes)]
    }
    assert not [record for record in ours if "guest" in f"{vars(record)}"]
