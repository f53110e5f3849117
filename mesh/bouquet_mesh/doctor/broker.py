"""RabbitMQ, for whoever has a user there: reached, let in, and what its queues hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from bouquet_mesh.amqp.channel import QueueCounts
from bouquet_mesh.amqp.connection import CONNECT_TIMEOUT_S, Connection, connect
from bouquet_mesh.amqp.errors import (
    BAD_CREDENTIALS,
    BAD_VHOST,
    CONNECTION_LOST,
    AccessRefused,
    NotDeclared,
    missing_right,
)
from bouquet_mesh.bus.amqp import check_calling, check_serving
from bouquet_mesh.doctor.findings import Finding, unknown, well, wrong
from bouquet_mesh.server_url import address_of, each_server
from bouquet_mesh.tls.context import trouble_of
from bouquet_proto.names import JOURNAL_QUEUE, MESH_PREFIX, REPLY_EXCHANGE, queue_of

LOOK_S = 5.0
RIGHTS = "give it those of deploy/rabbitmq/definitions.py again"
SETTING = f"{MESH_PREFIX}BUS_URL"
ALLOWED = "rights on the broker"


@asynccontextmanager
async def reached(url: str, name: str) -> AsyncIterator[tuple[Connection | None, list[Finding]]]:
    """Yields a connection of that name to the first node that accepts one, or none; and a finding for each node."""
    nodes = each_server(url)
    async with AsyncExitStack() as stack:
        looks = await asyncio.gather(*(_look(node, name, _subject(nodes, node)) for node in nodes))
        connections = [connection for connection, _ in looks if connection is not None]
        for connection in connections:
            stack.push_async_callback(connection.close)
        yield next(iter(connections), None), [finding for _, finding in looks]


def _subject(nodes: Sequence[str], node: str) -> str:
    return "broker" if len(nodes) == 1 else f"broker {address_of(node)}"


async def _look(node: str, name: str, subject: str) -> tuple[Connection | None, Finding]:
    where = address_of(node)
    try:
        connection = await connect(node, name)
    except CONNECTION_LOST as error:
        return None, wrong(subject, *_trouble(where, error))
    return connection, well(subject, f"connected to {where}{', by TLS' if node.startswith('amqps:') else ''}")


def _trouble(where: str, error: BaseException) -> tuple[str, str]:
    """Returns why a node is not connected to, and what to do about it."""
    if words := trouble_of(error):
        return f"TLS to {where} fails: {words}", f"compare the certificates with {SETTING}"
    if isinstance(error, BAD_CREDENTIALS):
        return f"{where} refuses the user or the password", f"mend {SETTING} or the user"
    if isinstance(error, BAD_VHOST):
        return f"{where} has no such vhost for this user", f"mend {SETTING}; {RIGHTS}"
    if isinstance(error, TimeoutError):
        return f"{where} does not answer in {CONNECT_TIMEOUT_S:g} s", "is it the broker, and well?"
    return f"{where} cannot be reached ({type(error).__name__})", f"start it, or mend {SETTING}"


async def serving(connection: Connection, provider: str, remedy: str) -> Finding:
    """Whether somebody answers for a provider."""
    subject = f"queue of {provider}"
    match await _counted(connection, queue_of(provider)):
        case str() as why:
            return unknown(subject, why)
        case None:
            return wrong(subject, "is not there: no worker is connected", remedy)
        case QueueCounts(messages=waiting, consumers=0):
            return wrong(subject, f"nobody consumes it; {waiting} messages wait", remedy)
        case QueueCounts(messages=waiting, consumers=consumers):
            return well(subject, f"{consumers} consumers, {waiting} messages wait")


async def journal(connection: Connection, remedy: str) -> Finding:
    """Whether somebody writes it."""
    subject = "journal"
    match await _counted(connection, JOURNAL_QUEUE):
        case str() as why:
            return unknown(subject, why)
        case None:
            return wrong(subject, "its queue is not there: records wait in the gateways' spools", remedy)
        case QueueCounts(messages=waiting, consumers=0):
            return wrong(subject, f"nobody writes it; {waiting} records wait in its queue", remedy)
        case QueueCounts(messages=waiting, consumers=writers):
            return well(subject, f"{writers} writers, {waiting} records wait in its queue")


async def may_call(connection: Connection) -> Finding:
    """Does what a gateway does as it starts. The last look at a connection: what it declares goes with it, but for the
    exchange of the replies, which the first gateway makes and all need."""
    try:
        async with asyncio.timeout(LOOK_S):
            await check_calling(connection)
    except AccessRefused as error:
        return wrong(ALLOWED, f"the user may not do what a gateway does ({missing_right(error)})", RIGHTS)
    except CONNECTION_LOST as error:
        why = type(error).__name__
        return wrong(ALLOWED, f"a message does not come back ({why})", "is the broker short of memory or disk?")
    return well(ALLOWED, "a reply queue can be made, and a message comes back")


async def may_serve(connection: Connection, provider: str) -> Finding:
    """Does what a worker does as it starts. The last look at a connection: what it declares goes with it."""
    try:
        async with asyncio.timeout(LOOK_S):
            await check_serving(connection, provider)
            async with connection.temporary_channel() as channel:
                await channel.require_exchange(REPLY_EXCHANGE)
    except AccessRefused as error:
        return wrong(ALLOWED, f"the user may not do what a worker does ({missing_right(error)})", RIGHTS)
    except NotDeclared:
        return unknown(ALLOWED, "its queue can be made; replies have no exchange before the first gateway")
    except CONNECTION_LOST as error:
        return wrong(ALLOWED, f"its queue cannot be made ({type(error).__name__})", "look at the broker's log")
    return well(ALLOWED, "its queue can be made, and a reply sent")


async def _counted(connection: Connection, queue: str) -> QueueCounts | str | None:
    """`None` without the queue, words where the broker does not tell."""
    try:
        async with asyncio.timeout(LOOK_S), connection.temporary_channel() as channel:
            return await channel.count(queue)
    except NotDeclared:
        return None
    except CONNECTION_LOST as error:
        return f"the broker does not tell ({type(error).__name__})"
