"""Queues, consumers and permissions of a RabbitMQ vhost, read and changed as an operator could."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias, TypeVar, get_args

import aio_pika
from yarl import URL

from bouquet_proto.names import REPLY_EXCHANGE, queue_of
from tests.support.bus import PROVIDER
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S

Permission: TypeAlias = Literal["configure", "write", "read"]
"""Permission that a RabbitMQ user can have in a vhost: to declare and delete (`configure`), to write or to read."""
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
NOTHING = "^$"
"""Pattern that matches no name. A user with this permission may do nothing."""
T = TypeVar("T")


LISTS = {
    "queues": "rabbit_amqqueue:info_all(<<{vhost}>>, [{columns}])",
    "consumers": "rabbit_amqqueue:consumers_all(<<{vhost}>>)",
    "permissions": "rabbit_auth_backend_internal:list_vhost_permissions(<<{vhost}>>)",
}
"""Erlang expressions that list the queues, consumers or permissions of a vhost, by the kind of object listed."""
AS_TEXT = """
    Told = fun ({resource, _, _, Name}) -> Name;
        (Value) when is_integer(Value) -> integer_to_binary(Value);
        (Value) -> Value
    end,
    lists:map(
        fun (Row) -> [lists:join("\\t", [Told(proplists:get_value(Column, Row)) || Column <- [%s]]), "\\n"] end, %s
    ).
"""
"""Erlang expression that turns a list of objects into text: one line per object, with tabs between columns."""
PERMIT = "rabbit_auth_backend_internal:set_permissions(<<{user}>>, <<{vhost}>>, {rights}, <<{user}>>), []."
"""Erlang expression that sets the three permissions of a user in a vhost."""
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
"""Erlang expression that closes every connection to a vhost."""
STOP_QUEUES = """
    ok = rabbit_amqqueue_sup_sup:stop_for_vhost(<<{vhost}>>),
    rabbit_amqqueue:mark_local_durable_queues_stopped(<<{vhost}>>),
    {{ok, _}} = rabbit_amqqueue_sup_sup:start_for_vhost(<<{vhost}>>), [].
"""
"""Erlang expression that stops the classic queues of a vhost, as if their node had stopped."""


def quoted(text: str) -> str:
    return json.dumps(text)


class Broker:
    """An operator's access to one vhost, by which tests inspect and change it."""

    # Each method works in a thread, because this process must go on sending heartbeats on its own connections to the
    # broker.

    def __init__(self, node: RabbitNode, url: str) -> None:
        self._node = node
        self._url = url
        self._vhost = URL(url).path[1:]

    async def rows(self, kind: str, *columns: str) -> list[list[str]]:
        """Returns the named columns, as text, of every object of one kind in the vhost. `kind` is a key of `LISTS`,
        such as `queues`."""
        named = ", ".join(columns)
        rows = LISTS[kind].format(vhost=quoted(self._vhost), columns=named)
        table = await self._evaluate(AS_TEXT % (named, rows))
        return [line.split("\t") for line in table.splitlines()]

    async def _evaluate(self, expressions: str) -> str:
        return await asyncio.to_thread(self._node.evaluate, expressions)

    async def reply_queues(self) -> set[str]:
        return {name for [name] in await self.rows("queues", "name") if is_reply_queue(name)}

    async def kinds_of_queues(self) -> list[str]:
        """Returns the names of all queues. A reply queue appears as `reply`, because its real name changes with each
        connection."""
        return ["reply" if is_reply_queue(name) else name for [name] in await self.rows("queues", "name")]

    async def reply_consumers(self) -> list[list[str]]:
        """Returns the queue name and the consumer tag of each consumer of a reply queue."""
        return [row for row in await self.rows("consumers", "queue_name", "consumer_tag") if is_reply_queue(row[0])]

    async def consumers(self) -> int:
        """Returns the number of consumers of the request queue of `PROVIDER`."""
        return (await self.rows("consumers", "queue_name")).count([queue_of(PROVIDER)])

    async def until(self, look: Callable[[], Awaitable[T]], condition: Callable[[T], bool]) -> None:
        """Repeats `look` until `condition` returns true for its result. Fails after `TEST_TIMEOUT_S` seconds."""
        async with asyncio.timeout(TEST_TIMEOUT_S):
            while not condition(await look()):  # noqa: ASYNC110 - what is waited for is a broker's, without an event
                await asyncio.sleep(0.05)

    async def delete(self, queue: str) -> None:
        await self._node.control("delete_queue", queue, "--vhost", self._vhost)

    async def lose_queues(self) -> None:
        """Stops the classic queues of the vhost, as if their node had stopped. The broker still knows the names of
        durable queues, and refuses to declare queues with these names."""
        await self._evaluate(STOP_QUEUES.format(vhost=quoted(self._vhost)))

    async def give_back(self, queue: str) -> None:
        """Deletes a queue that `lose_queues` has stopped. Workers can then declare it again, as after the return of the
        node that held it."""
        async with await aio_pika.connect(self._url) as connection, connection.channel() as channel:
            await channel.queue_delete(queue)

    async def close_all_connections(self) -> None:
        await self._evaluate(CLOSE_CONNECTIONS % quoted(self._vhost))

    @asynccontextmanager
    async def without_permission(self, user: str, right: Permission) -> AsyncIterator[None]:
        # Closes all connections, because an open channel would keep the permission.
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
        """Allows a user to configure, write and read only objects whose name matches the pattern `what`."""
        await self._permit(user, what, what, what)


def is_reply_queue(name: str) -> bool:
    return name.startswith(REPLY_EXCHANGE)
