"""Tests of a gateway that reaches two of three broker nodes, all of which live: calls go on, and while it reports ready
it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from yarl import URL

from bouquet_mesh.amqp import link
from bouquet_mesh.bus.amqp import open_amqp_bus
from bouquet_proto.names import queue_of
from tests.support.bus import FOUND, PROVIDER, connected_bus, lookup_request, reply_found, serving, until_reply
from tests.support.proxy import TcpProxy
from tests.support.rabbitmq_cluster import RabbitCluster
from tests.support.waiting import until

pytestmark = [pytest.mark.broker, pytest.mark.slow]

CALLS = 40
MOVES_AFTER_S = 0.4
"""Age at which the gateway replaces its connection, by one to a node that may be the unreachable one."""


@pytest.fixture
async def ways(cluster: RabbitCluster, url: str) -> AsyncIterator[list[TcpProxy]]:
    """Yields a proxy for each node, by which the gateway reaches it. Workers reach the nodes themselves."""
    async with AsyncExitStack() as stack:
        made = [TcpProxy(cluster.by_node(node, url)) for node in cluster.nodes]
        for way in made:
            await stack.enter_async_context(way)
            await way.open()
        yield made


@pytest.mark.parametrize("block", [TcpProxy.close, TcpProxy.hold], ids=["its port is closed", "it is silent"])
async def test_a_gateway_that_reaches_two_of_three_nodes_answers_whenever_it_is_ready(
    block: Callable[[TcpProxy], object],
    cluster: RabbitCluster,
    url: str,
    ways: list[TcpProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Blocks the way to the node that hosts the provider's queue. Its requests go there by the other nodes."""
    monkeypatch.setattr(link, "PROBE_TIMEOUT_S", 1.0)
    monkeypatch.setattr(link, "PROBE_EVERY_S", 0.05)  # also the precision of the connection's age
    own = URL(cluster.nodes[0].url)
    reached = cluster.by_node(cluster.nodes[0], url).replace(
        f"{own.host}:{own.port}", ",".join(f"127.0.0.1:{URL(way.url).port}" for way in ways)
    )
    async with AsyncExitStack() as stack:
        for number in range(2):
            worker = await stack.enter_async_context(connected_bus(url, f"worker {number}"))
            await stack.enter_async_context(serving(worker, reply_found))
        gateway = await stack.enter_async_context(open_amqp_bus(reached, "gateway", max_age_s=MOVES_AFTER_S))
        await until_reply(gateway, FOUND)
        host = await asyncio.to_thread(cluster.node_of, queue_of(PROVIDER), url)
        blocked = ways[cluster.nodes.index(host)]
        if asyncio.iscoroutine(blocking := block(blocked)):
            await blocking
        await until(lambda: not blocked.connections)
        # The gateway reports ready until it has noticed the lost connection: only then it has another.
        await until_reply(gateway, FOUND)
        for number in range(CALLS):
            await until(lambda: gateway.ready)
            assert await gateway.call(PROVIDER, lookup_request(f"{number}")) == FOUND
            await asyncio.sleep(MOVES_AFTER_S / 10)
