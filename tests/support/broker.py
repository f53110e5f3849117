"""A vhost, as its operators see it, and what they may do to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias, get_args

from yarl import URL

from bouquet_proto.names import REPLY_EXCHANGE, queue_of
from tests.support.buses import LONG_S, PROVIDER
from tests.support.rabbitmq import RabbitNode

Right: TypeAlias = Literal["configure", "write", "read"]
RIGHTS: tuple[Right, ...] = get_args(Right)
NOTHING = "^$"


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

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns as soon as the condition holds, which asks the broker in a thread of its own."""
        async with asyncio.timeout(LONG_S):
            while not await asyncio.to_thread(condition):
                pass

    def delete(self, queue: str) -> None:
        self._node.ctl("delete_queue", queue, "--vhost", self._vhost)

    def close_all_connections(self) -> None:
        self._node.ctl("close_all_connections", "--vhost", self._vhost, "maintenance")

    @asynccontextmanager
    async def without(self, user: str, right: Right) -> AsyncIterator[None]:
        """A user has lost one of its rights. Channels that have used it keep it: hence the end of its connections."""
        [before] = [rights for name, *rights in self.lists("permissions") if name == user]
        after = [NOTHING if each == right else what for each, what in zip(RIGHTS, before, strict=True)]
        await asyncio.to_thread(self._permit, user, *after)
        await asyncio.to_thread(self.close_all_connections)
        try:
            yield
        finally:
            await asyncio.to_thread(self._permit, user, *before)

    def _permit(self, user: str, *rights: str) -> None:
        self._node.ctl("set_permissions", "--vhost", self._vhost, user, *rights)

    def permit(self, user: str, what: str) -> None:
        """Whatever it declares, writes and reads must be called so."""
        self._permit(user, what, what, what)


def is_reply_queue(name: str) -> bool:
    return name.startswith(REPLY_EXCHANGE)
