"""A vhost, as its operators see it, and what they may do to it."""

from __future__ import annotations

from yarl import URL

from bouquet_proto.names import REPLY_EXCHANGE, queue_of
from tests.proto.buses import PROVIDER
from tests.support.rabbitmq import RabbitNode


class Broker:
    def __init__(self, node: RabbitNode, url: str) -> None:
        self._node = node
        self._vhost = URL(url).path[1:]

    def lists(self, kind: str, *columns: str) -> list[list[str]]:
        """What `rabbitmqctl list_…` tells: a row an object."""
        table = self._node.ctl(f"list_{kind}", "--vhost", self._vhost, "--no-table-headers", *columns)
        return [line.split("\t") for line in table.splitlines()]

    @property
    def reply_queues(self) -> set[str]:
        return {name for [name] in self.lists("queues", "name") if is_reply_queue(name)}

    @property
    def kinds_of_queues(self) -> list[str]:
        """Reply queues have other names after each connection."""
        return ["reply" if is_reply_queue(name) else name for [name] in self.lists("queues", "name")]

    @property
    def reply_consumers(self) -> list[list[str]]:
        """Queue and tag."""
        return [row for row in self.lists("consumers", "queue_name", "consumer_tag") if is_reply_queue(row[0])]

    @property
    def consumers(self) -> int:
        """Of the provider's queue."""
        return self.lists("consumers", "queue_name").count([queue_of(PROVIDER)])

    def delete(self, queue: str) -> None:
        self._node.ctl("delete_queue", queue, "--vhost", self._vhost)

    def close_all_connections(self) -> None:
        self._node.ctl("close_all_connections", "--vhost", self._vhost, "maintenance")

    def permit(self, user: str, what: str) -> None:
        """Whatever it declares, writes and reads must be called so."""
        self._node.ctl("set_permissions", "--vhost", self._vhost, user, what, what, what)


def is_reply_queue(name: str) -> bool:
    return name.startswith(REPLY_EXCHANGE)
