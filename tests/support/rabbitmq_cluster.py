"""A cluster of three RabbitMQ nodes, each of which a test can kill, hang, cut off and start again."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from yarl import URL

from tests.support.broker import quoted
from tests.support.network import Network, network_of
from tests.support.rabbitmq import READY_WITHIN_S, RabbitNode, Release

SIZE = 3
NODE_OF_QUEUE = """
    {ok, Queue} = rabbit_amqqueue:lookup({resource, <<%s>>, queue, <<%s>>}),
    atom_to_list(case amqqueue:get_pid(Queue) of {_, Leader} -> Leader; Pid -> node(Pid) end).
"""
"""Erlang expression that returns the name of the node that holds a queue. For a quorum queue, this is the leader's
node."""
CONNECTED = "integer_to_list(1 + length(nodes()))."
KHEPRI = "khepri_db"
"""Feature flag that makes RabbitMQ 4 keep its definitions in Khepri instead of Mnesia. Khepri accepts changes only
while a majority of nodes can reach each other."""


class RabbitCluster:
    """A cluster of RabbitMQ nodes. A stopped node stays in `nodes`, with its ports and data."""

    def __init__(self, nodes: list[RabbitNode], network: Network | None = None) -> None:
        self.nodes = nodes
        self.network = network

    def vhost(self) -> str:
        """Creates a vhost and returns its URL, which names all nodes of the cluster."""
        return self.anywhere(self.nodes[0].vhost())

    def anywhere(self, url: str) -> str:
        """Returns `url` with the address of its node replaced by the addresses of all nodes."""
        one, every = URL(url), ",".join(f"{node.host}:{node.port}" for node in self.nodes)
        return url.replace(f"{one.host}:{one.port}", every)

    def by_node(self, node: RabbitNode, url: str) -> str:
        """Returns the URL of the vhost of `url` that names one node alone."""
        return node.url + url.rpartition("/")[2]

    def addresses_beside(self, node: RabbitNode, *, nodes: bool, clients: bool) -> tuple[str, ...]:
        """Returns the addresses from which `cut` can separate `node`: the other nodes' if `nodes` is true, and the
        tests' own if `clients` is true."""
        assert self.network, "the nodes share one machine"
        others = tuple(other.host for other in self.nodes if other is not node)
        return (*(others if nodes else ()), *((self.network.own_address,) if clients else ()))

    def cut(self, node: RabbitNode, others: Sequence[str]) -> None:
        """Makes all packets between a node and the addresses in `others` vanish. The cluster must have been made with
        `networked=True`."""
        assert self.network, "the nodes share one machine"
        self.network.cut(node.host, others)

    def mend(self, node: RabbitNode, others: Sequence[str]) -> None:
        """Ends a `cut`: packets pass again between the node and the addresses in `others`."""
        assert self.network, "the nodes share one machine"
        self.network.mend(node.host, others)

    def node_of(self, queue: str, url: str) -> RabbitNode:
        """Returns the node that hosts a queue in the vhost of `url`, even if that node has ended."""
        asked = next(node for node in self.nodes if node.is_running)
        vhost = url.rpartition("/")[2]
        name = asked.evaluate(NODE_OF_QUEUE % (quoted(vhost), quoted(queue)))
        return next(node for node in self.nodes if node.name == name)

    def start(self) -> None:
        """Starts all nodes at once, and returns when they form one cluster."""
        for node in self.nodes:
            node.start_epmd()
        with ThreadPoolExecutor(len(self.nodes)) as at_once:
            list(at_once.map(RabbitNode.start, self.nodes))
        if (running := self.nodes[0].evaluate(CONNECTED)) != str(len(self.nodes)):
            raise RuntimeError(f"{running} of {len(self.nodes)} nodes have found each other")


@contextmanager
def cluster_of(
    release: Release,
    *,
    size: int = SIZE,
    management: bool = False,
    metrics: bool = False,
    networked: bool = False,
    khepri: bool = False,
) -> Iterator[RabbitCluster]:
    """Runs a new cluster of `size` nodes until the end of the context. If `networked` is true, each node runs on a
    machine of its own in a test network, whose connections tests can cut."""
    with ExitStack() as stack:
        folder = stack.enter_context(release.folder())
        network = stack.enter_context(network_of(size)) if networked else None
        nodes = [
            RabbitNode(folder / str(number), management=management, metrics=metrics, release=release, machine=machine)
            for number, machine in enumerate(network.machines if network else [None] * size)
        ]
        for node in nodes:
            node.join(nodes)
        try:
            cluster = RabbitCluster(nodes, network)
            cluster.start()
            if khepri:
                _enable_khepri(nodes[0])
            yield cluster
        finally:
            for node in reversed(nodes):
                node.stop()


def _enable_khepri(node: RabbitNode) -> None:
    """Enables Khepri in the cluster of a node. RabbitMQ refuses that while a node is still joining."""
    give_up_at = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            node.ctl("enable_feature_flag", "--opt-in", KHEPRI)
        except subprocess.CalledProcessError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(1.0)
        else:
            return
