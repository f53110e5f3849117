"""Tests that the gateway's doctor reports which node hosts which queues, and what the loss of a node means for them."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from pathlib import Path
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import pytest

from bouquet_mesh.bus import amqp
from bouquet_mesh.doctor.hosts import check_hosts
from bouquet_mesh.outbox.amqp import open_amqp_outbox
from bouquet_proto.names import JOURNAL_QUEUE, queue_of, reserve_queue_of
from tests.support.broker import Broker
from tests.support.bus import FOUND, PROVIDER, connected_bus, reply_found, serving, until_reply
from tests.support.doctor_report import Report, run_doctor
from tests.support.gateway_client import TOKEN_KEY
from tests.support.rabbitmq import RabbitNode
from tests.support.rabbitmq_cluster import RabbitCluster
from tests.support.waiting import TEST_TIMEOUT_S, until

pytestmark = pytest.mark.broker

CREDENTIALS = b64encode(b"guest:guest").decode()


def queues_by(node: RabbitNode, url: str) -> bytes:
    """Returns the queues of the vhost of `url`, as the management API of a node lists them."""
    path = f"/api/queues/{url.rpartition('/')[2]}?disable_stats=true"
    request = HttpRequest(f"{node.management_url}{path}", headers={"Authorization": f"Basic {CREDENTIALS}"})
    with urlopen(request, timeout=TEST_TIMEOUT_S) as response:
        document: bytes = response.read()
    return document


async def until_down(queue: str, node: RabbitNode, url: str) -> bytes:
    """Waits until a node lists a queue as down, and returns its list."""
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while True:
            listed = await asyncio.to_thread(queues_by, node, url)
            if any(one["name"] == queue and one.get("state") == "down" for one in json.loads(listed)):
                return listed
            await asyncio.sleep(0.2)


async def doctor(url: str, file: Path) -> Report:
    environ = {
        "BOUQUET_BUS_URL": url,
        "BOUQUET_GATEWAY_TOKEN_KEY": TOKEN_KEY.reveal(),
        "BOUQUET_GATEWAY_PROVIDERS": PROVIDER,
        "BOUQUET_GATEWAY_TOKENS_FROM": "claims",
        "BOUQUET_GATEWAY_JOURNAL": "false",
    }
    return await run_doctor(environ, "bouquet-gateway", "doctor", "--queues", str(file))


async def test_the_doctor_names_the_queues_of_each_node_and_what_a_lost_one_means(
    cluster: RabbitCluster, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp, "DELETE_AFTER_S", 600.0)
    file = tmp_path / "queues.json"
    nodes = {node: f"broker node {node.name}" for node in cluster.nodes}
    async with (
        connected_bus(url, "worker") as worker,
        connected_bus(url, "gateway") as gateway,
        serving(worker, reply_found),
        open_amqp_outbox(url, "journal") as outbox,
        outbox.collect(),
    ):
        await until(lambda: outbox.connected)
        await until_reply(gateway, FOUND)
        host = await asyncio.to_thread(cluster.node_of, queue_of(PROVIDER), url)
        other = next(node for node in cluster.nodes if node is not host)
        file.write_bytes(await asyncio.to_thread(queues_by, host, url))
        whole = await doctor(url, file)
        host.kill()
        try:
            await until_reply(gateway, FOUND)
            file.write_bytes(await until_down(queue_of(PROVIDER), other, url))
            lost = await doctor(url, file)
            second = await asyncio.to_thread(cluster.node_of, reserve_queue_of(PROVIDER), url)
        finally:
            await asyncio.to_thread(host.start)
    await Broker(cluster.nodes[0], cluster.by_node(cluster.nodes[0], url)).delete(JOURNAL_QUEUE)
    assert f"the queue of {PROVIDER}" in whole.finding(nodes[host])
    assert whole.finding("copies of the journal's queue").startswith("well: 3 of 3 run")
    assert f"the queue of {PROVIDER} is down: calls go by its reserve queue on {second.name}" in lost.finding(
        nodes[host]
    )
    assert "its copy of the journal's queue does not run" in lost.finding(nodes[host])
    assert f"the reserve queue of {PROVIDER}" in lost.finding(nodes[second])
    assert lost.finding("copies of the journal's queue").startswith("wrong: 2 of 3 run: none is lost; it stops if 1")


@pytest.mark.parametrize("document", [b"", b"{", b'{"error": "not_authorized"}', b"[1]", b"\xff"])
def test_what_is_no_list_of_queues_is_reported_as_unknown(document: bytes) -> None:
    [finding] = check_hosts(document)
    assert finding.state == "unknown"


def test_a_queue_without_a_majority_and_a_provider_without_a_queue_are_reported() -> None:
    listed = [
        {"name": JOURNAL_QUEUE, "node": "a", "state": "minority", "members": ["a", "b", "c"], "online": ["a"]},
        {"name": queue_of(PROVIDER), "node": "b", "state": "down"},
        {"name": "somebody.else", "node": "c", "state": "running"},
    ]
    found = {one.subject: one.says for one in check_hosts(json.dumps(listed).encode())}
    assert found["broker node a"] == "hosts the leader of the journal's queue"
    assert "calls fail until a worker declares its reserve queue" in found["broker node b"]
    assert found["copies of the journal's queue"].startswith("1 of 3 run: without a majority")
