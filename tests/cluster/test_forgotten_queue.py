"""Test of a queue that goes on without its name, as RabbitMQ leaves one on a node that was cut off."""

from __future__ import annotations

import asyncio

import pytest

from bouquet_mesh.amqp import link
from bouquet_mesh.bus import consumer
from bouquet_proto.names import queue_of
from tests.support.broker import Broker, quoted
from tests.support.bus import PROVIDER, BlockedHandler, connected_bus, lookup_request, serving
from tests.support.proxy import TcpProxy
from tests.support.rabbitmq_cluster import RabbitCluster
from tests.support.waiting import TEST_TIMEOUT_S

pytestmark = [pytest.mark.broker, pytest.mark.slow]

USUAL = queue_of(PROVIDER)
FORGET = "rabbit_db_queue:delete(rabbit_misc:r(<<%s>>, queue, <<%s>>), normal), []."
"""Erlang expression that deletes the name of a queue. The queue itself keeps its consumers, which do not learn it."""


@pytest.fixture(autouse=True)
def fast_reconnection_of_consumers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the times after which workers look at their queue, register again and return to the usual queue."""
    monkeypatch.setattr(link, "PROBE_EVERY_S", 0.1)
    monkeypatch.setattr(consumer, "REGISTER_EVERY_S", 0.5)
    monkeypatch.setattr(consumer, "RETURN_EVERY_S", 1.0)


async def test_a_worker_of_a_forgotten_queue_consumes_again_beside_one_that_has_declared_another(
    cluster: RabbitCluster, url: str
) -> None:
    """Holds the first worker's connection meanwhile, so that the worker finds a queue with a consumer: the other's."""
    first, second = BlockedHandler(), BlockedHandler()
    first.release.set()
    second.release.set()
    urls = [cluster.by_node(node, url) for node in cluster.nodes]
    broker = Broker(cluster.nodes[0], urls[0])

    async def consumed() -> list[str]:
        return [name for [name] in await broker.rows("consumers", "queue_name") if name.startswith(USUAL)]

    async with TcpProxy(urls[0]) as way, connected_bus(urls[1]) as other, connected_bus(urls[2]) as caller:
        await way.open()
        async with connected_bus(way.url) as one, serving(one, first):
            way.hold()
            await asyncio.to_thread(cluster.nodes[0].evaluate, FORGET % (quoted(url.rpartition("/")[2]), quoted(USUAL)))
            async with serving(other, second):
                way.resume()
                async with asyncio.timeout(TEST_TIMEOUT_S):
                    while not (first.received and second.received):
                        await caller.call(PROVIDER, lookup_request(within_s=0.5))
                await broker.until(consumed, lambda found: found == [USUAL, USUAL])
