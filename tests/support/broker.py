"""A vhost, as its operators see it, and what they may do to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias, TypeVar, get_args

from yarl import URL

from bouquet_proto.names import REPLY_EXCHANGE, queue_of
from tests.support.bus import PROVIDER
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S

Permission: TypeAlias = Literal["configure", "write", "read"]
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
NOTHING = "^$"
T = TypeVar("T")


LISTS = {
    "queues": "rabbit_amqqueue:info_all(<<{vhost}>>, [{columns}])",
    "consumers": "rabbit_amqqueue:consumers_all(<<{vhost}>>)",
    "permissions": "rabbit_auth_backend_internal:list_vhost_permissions(<<{vhost}>>)",
}
AS_TEXT = """
    Told = fun ({resource, _, _, Name}) -> Name;
        (Value) when is_integer(Value) -> integer_to_binary(Value);
        (Value) -> Value
    end,
    lists:map(
        fun (Row) -> [lists:join("\\t", [Told(proplists:get_value(Column, Row)) || Column <- [%s]]), "\\n"] end, %s
    ).
"""
PERMIT = "rabbit_auth_backend_internal:set_permissions(<<{user}>>, <<{vhost}>>, {rights}, <<{user}>>), []."
CLOSE_CONNECTIONS = """
    lists:foreach(
        fun (Connection) ->
            case catch rabbit_networking:connection_info(Connection, [vhost]) of
                [{vhost, <<%s>>}] -> rabbit_networking:close_connection(Connection, <<"maintenance">>);
                _ -> elsewhere
            end
        end,
        rabbit_networking:connections()
    ), [].
"""
"""Erlang, as `rabbitmqctl` itself would call the broker."""


def quoted(text: str) -> str:
    """As Erlang writes a text."""
    return json.dumps(text)


class Broker:
    """Each look and each act has a thread of its own: meanwhile, connections of this process keep their heartbeats,
    however long it takes."""

    def __init__(self, node: RabbitNode, url: str) -> None:
        self._node = node
        self._vhost = URL(url).path[1:]

    async def rows(self, kind: str, *columns: str) -> list[list[str]]:
        """What `rabbitmqctl list_…` tells: a row an object."""
        named = ", ".join(columns)
        rows = LISTS[kind].format(vhost=quoted(self._vhost), columns=named)
        table = await self._evaluate(AS_TEXT % (named, rows))
        return [line.split("\t") for line in table.splitlines()]

    async def _evaluate(self, expressions: str) -> str:
        return await asyncio.to_thread(self._node.evaluate, expressions)

    async def reply_queues(self) -> set[str]:
        return {name for [name] in await self.rows("queues", "name") if is_reply_queue(name)}

    async def kinds_of_queues(self) -> list[str]:
        """Reply queues have other names after each connection."""
        return ["reply" if is_reply_queue(name) else name for [name] in await self.rows("queues", "name")]

    async def reply_consumers(self) -> list[list[str]]:
        """Queue and tag."""
        return [row for row in await self.rows("consumers", "queue_name", "consumer_tag") if is_reply_queue(row[0])]

    async def consumers(self) -> int:
        """Of the provider's queue."""
        return (await self.rows("consumers", "queue_name")).count([queue_of(PROVIDER)])

    async def until(self, look: Callable[[], Awaitable[T]], condition: Callable[[T], bool]) -> None:
        """Returns once what is seen is as it should be."""
        async with asyncio.timeout(TEST_TIMEOUT_S):
            while not condition(await look()):  # noqa: ASYNC110 - what is waited for is a broker's, without an event
                await asyncio.sleep(0.05)

    async def delete(self, queue: str) -> None:
        await self._node.control("delete_queue", queue, "--vhost", self._vhost)

    async def close_all_connections(self) -> None:
        await self._evaluate(CLOSE_CONNECTIONS % quoted(self._vhost))

    @asynccontextmanager
    async def without_permission(self, user: str, right: Permission) -> AsyncIterator[None]:
        """A user has lost one of its rights. Channels that have used it keep it: hence the end of its connections."""
        [before] = [rights for name, *rights in await self.rows("permissions", "user", *PERMISSIONS) if name == user]
        after = [NOTHING if each == right else what for each, what in zip(PERMISSIONS, before, strict=True)]
        await self._permit(user, *after)
        await self.close_all_connections()
        try:
            yield
        finally:
            await self._permit(user, *before)

    async def _permit(self, user: str, *rights: str) -> None:
        told = ", ".join(f"<<{quoted(right)}>>" for right in rights)
        await self._evaluate(PERMIT.format(user=quoted(user), vhost=quoted(self._vhost), rights=told))

    async def permit_only(self, user: str, what: str) -> None:
        """Whatever it declares, writes and reads must be called so."""
        await self._permit(user, what, what, what)


def is_reply_queue(name: str) -> bool:
    return name.startswith(REPLY_EXCHANGE)
