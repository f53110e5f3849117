"""Alert about a cluster whose Mnesia is divided. `make cluster-mnesia` runs this test; other test runs do not collect
it, since it needs a cluster of its own and new clusters use Khepri."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from tests.cluster.alerts import until_firing
from tests.cluster.conftest import watching
from tests.conftest import need
from tests.support.bus import FOUND, connected_bus, reply_found, serving, until_reply
from tests.support.prometheus import PrometheusServer
from tests.support.rabbitmq import RABBITMQ_4
from tests.support.rabbitmq_cluster import RabbitCluster, cluster_of

pytestmark = [pytest.mark.broker, pytest.mark.slow]

RUNNING = 'io_lib:format("~b", [length(mnesia:system_info(running_db_nodes))]).'


@pytest.fixture(scope="module")
def cluster() -> Iterator[RabbitCluster]:
    need(RABBITMQ_4.is_installed, RABBITMQ_4.name)
    with cluster_of(RABBITMQ_4, metrics=True) as made:
        yield made


@pytest.fixture(scope="module")
def watch(cluster: RabbitCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    with watching(cluster, tmp_path_factory.mktemp("watch")) as made:
        yield made


async def test_an_alert_reports_a_divided_mnesia(cluster: RabbitCluster, url: str, watch: PrometheusServer) -> None:
    """Closes the connections of one node to the others, which are back within milliseconds, while each node has
    clients; then restarts the node that is alone."""
    alone = cluster.nodes[0]
    async with AsyncExitStack() as stack:
        buses = [
            await stack.enter_async_context(connected_bus(cluster.by_node(node, url), f"client of {node}"))
            for node in cluster.nodes
        ]
        await stack.enter_async_context(serving(buses[0], reply_found))
        await until_reply(buses[1], FOUND)
        await until_firing(watch, set())
        await asyncio.to_thread(alone.disconnect)
        await until_firing(watch, {"BrokerDivided"})
        assert {await asyncio.to_thread(node.evaluate, RUNNING) for node in cluster.nodes} == {"1", "2"}
        await asyncio.to_thread(alone.ctl, "stop_app")
        await asyncio.to_thread(alone.ctl, "start_app")
        await until_firing(watch, set())
