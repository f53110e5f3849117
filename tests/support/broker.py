"""A vhost, as its operators see it, and what they may do to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias, TypeVar, get_args

from yarl import URL

from bouquet_proto.names import REPLY_EXCHANGE, queue_of
from tests.support.buses import LONG_S, PROVIDER
from tests.support.rabbitmq import RabbitNode

Right: TypeAlias = Literal["configure", "write", "read"]
RIGHTS: tuple[Right, ...] = get_args(Right)
NOTHING = "^$"
T = TypeVar("T")


class Broker:
    """Each look and each act is a process, in a thread of its own: meanwhile, connections of this one keep their
    heartbeats, however long it takes."""

    def __init__(self, node: RabbitNode, url: str) -> None:
        self._node = node
        self._vhost = URL(url).path[1:]

    async def lists(self, kind: str, *columns: str) -> list[list[str]]:
        """What `rabbitmqctl list_…` tells: a row an object."""
        table = await self._node.control(f"list_{kind}", "--vhost", self._vhost, "--no-table-headers", *columns)
        return [line.split("\t") for line in table.splitlines()]

    async def reply_queues(self) -> set[str]:
        return {name for [name] in await self.lists("queues", "name") if is_reply_queue(name)}

    async def kinds_of_queues(self) -> list[str]:
        """Reply queues have other names after each connection."""
        return ["reply" if is_reply_queue(name) else name for [name] in await self.lists("queues", "name")]

    async def reply_consumers(self) -> list[list[str]]:
        """Queue and tag."""
        return [row for row in await self.lists("consumers", "queue_name", "consumer_tag") if is_reply_queue(row[0])]

    async def consumers(self) -> int:
        """Of the provider's queue."""
        return (await self.lists("consumers", "queue_name")).count([queue_of(PROVIDER)])

    async def has(self, look: Callable[[], Awaitable[T]], condition: Callable[[T], bool]) -> None:
        """Returns once what is seen is as it should be."""
        async with asyncio.timeout(LONG_S):
            while not condition(await look()):
                pass

    async def delete(self, queue: str) -> None:
        await self._node.control("delete_queue", queue, "--vhost", self._vhost)

    async def close_all_connections(self) -> None:
        await self._node.control("close_all_connections", "--vhost", self._vhost, "maintenance")

    @asynccontextmanager
    async def without(self, user: str, right: Right) -> AsyncIterator[None]:
        """A user has lost one of its rights. Channels that have used it keep it: hence the end of its connections."""
        [before] = [rights for name, *rights in await self.lists("permissions") if name == user]
        after = [NOTHING if each == right else what for each, what in zip(RIGHTS, before, strict=True)]
        await self._permit(user, *after)
        await self.close_all_connections()
        try:
            yield
        finally:
            await self._permit(user, *before)

    async def _permit(self, user: str, *rights: str) -> None:
        await self._node.control("set_permissions", "--vhost", self._vhost, user, *rights)

    async def permit(self, user: str, what: str) -> None:
        """Whatever it declares, writes and reads must be called so."""
        await self._permit(user, what, what, what)


def is_reply_queue(name: str) -> bool:
    return name.startswith(REPLY_EXCHANGE)
