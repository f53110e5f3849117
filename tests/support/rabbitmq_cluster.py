"""A cluster of three RabbitMQ nodes, each of which a test can kill, hang and start again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from yarl import URL

from tests.support.broker import quoted
from tests.support.rabbitmq import RabbitNode, Release

SIZE = 3
NODE_OF_QUEUE = """
    {ok, Queue} = rabbit_amqqueue:lookup({resource, <<%s>>, queue, <<%s>>}),
    atom_to_list(node(amqqueue:get_pid(Queue))).
"""
CONNECTED = "integer_to_list(1 + length(nodes()))."


class RabbitCluster:
    """A cluster of RabbitMQ nodes. A stopped node stays in `nodes`, with its ports and data."""

    def __init__(self, nodes: list[RabbitNode]) -> None:
        self.nodes = nodes

    def vhost(self) -> str:
        """Creates a vhost and returns its URL, which names all nodes of the cluster."""
        made = URL(self.nodes[0].vhost())
        return f"amqp://guest:guest@{','.join(f'127.0.0.1:{node.port}' for node in self.nodes)}{made.path}"

    def node_of(self, queue: str, url: str) -> RabbitNode:
        """Returns the node that hosts a queue in the vhost of `url`, even if that node has ended."""
        asked = next(node for node in self.nodes if node.is_running)
        vhost = url.rpartition("/")[2]
        name = asked.evaluate(NODE_OF_QUEUE % (quoted(vhost), quoted(queue)))
        return next(node for node in self.nodes if node.name == name)

    def start(self) -> None:
        """Starts all nodes at once, and returns when they form one cluster."""
        self.nodes[0].start_epmd()
        with ThreadPoolExecutor(len(self.nodes)) as at_once:
            list(at_once.map(RabbitNode.start, self.nodes))
        if (running := self.nodes[0].evaluate(CONNECTED)) != str(len(self.nodes)):
            raise RuntimeError(f"{running} of {len(self.nodes)} nodes have found each other")


@contextmanager
def cluster_of(release: Release, *, size: int = SIZE, metrics: bool = False) -> Iterator[RabbitCluster]:
    """Runs a new cluster of `size` nodes until the end of the context."""
    with release.folder() as folder:
        nodes = [RabbitNode(folder / str(number), release=release, metrics=metrics) for number in range(size)]
        for node in nodes:
            node.join(nodes)
        try:
            cluster = RabbitCluster(nodes)
            cluster.start()
            yield cluster
        finally:
            for node in reversed(nodes):
                node.stop()
