"""Checks of RabbitMQ that the `doctor` commands make: connection, rights of the broker's user, and queues."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from bouquet_mesh.amqp.channel import QueueCounts
from bouquet_mesh.amqp.connection import Connection, connect
from bouquet_mesh.amqp.errors import (
    BAD_CREDENTIALS,
    BAD_VHOST,
    CONNECTION_LOST,
    AccessRefused,
    NotDeclared,
    missing_right,
)
from bouquet_mesh.bus.amqp import check_calling
from bouquet_mesh.bus.consumer import check_serving
from bouquet_mesh.doctor.findings import Finding, unknown, well, wrong
from bouquet_mesh.doctor.timing import CLOSE_S
from bouquet_mesh.server_url import address_of, each_server
from bouquet_mesh.tls.context import tls_error_of
from bouquet_proto.deadline import Deadline
from bouquet_proto.names import JOURNAL_QUEUE, MESH_PREFIX, REPLY_EXCHANGE, queue_of, reserve_queue_of

RIGHTS_REMEDY = "give it those of deploy/rabbitmq/definitions.py again"
NODES_REMEDY = "start the others; docs/runbooks/BrokerNodeLost.md"
RESERVE_REMEDY = "start the node of its usual queue; docs/runbooks/ReserveQueueUsed.md"
SETTING = f"{MESH_PREFIX}BUS_URL"
ALARM_REMEDY = "docs/runbooks/BrokerAlarm.md"
RIGHTS_SUBJECT = "rights on the broker"


@asynccontextmanager
async def connected(url: str, name: str, deadline: Deadline) -> AsyncIterator[tuple[Connection | None, list[Finding]]]:
    """Connects to each node of the broker, within half of the time until the deadline. Yields one connection, or None
    if no node can be reached, and the results of all checks. The broker's operators see the connections as `name`."""
    nodes, limit_s = each_server(url), deadline.left_s() / 2
    results = await asyncio.gather(*(_connect_to_node(node, name, _subject(nodes, node), limit_s) for node in nodes))
    connections = [connection for connection, _ in results if connection is not None]
    findings = [finding for _, finding in results]
    if len(nodes) > 1:
        findings.append(_cluster_finding(len(connections), len(nodes)))
    try:
        yield next(iter(connections), None), findings
    finally:
        await asyncio.gather(*map(_close, connections))


async def _close(connection: Connection) -> None:
    """Closes a connection, waiting at most `CLOSE_S` seconds for the broker's answer. A broker that has blocked the
    connection does not answer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await connection.close()


@asynccontextmanager
async def _another(connection: Connection) -> AsyncIterator[Connection]:
    """Yields a second connection to the same node, so that other checks go on if the broker blocks or closes it."""
    another = await connection.another()
    try:
        yield another
    finally:
        await _close(another)


def _subject(nodes: Sequence[str], node: str) -> str:
    return "broker" if len(nodes) == 1 else f"broker {address_of(node)}"


def _cluster_finding(up: int, size: int) -> Finding:
    """Returns the result of the check that all nodes of a cluster can be reached. The cluster has `size` nodes, of
    which `up` can be reached."""
    subject, says = "broker nodes", f"{up} of {size} can be reached"
    if up == size:
        return well(subject, says)
    if up > size / 2:
        meaning = "calls go on by these, with their reserve queues; without one more of them all may stop"
        return wrong(subject, f"{says}: {meaning}", NODES_REMEDY)
    return wrong(subject, f"{says}: too few, these stop by themselves and no call is answered", NODES_REMEDY)


async def _connect_to_node(node: str, name: str, subject: str, limit_s: float) -> tuple[Connection | None, Finding]:
    address = address_of(node)
    try:
        async with asyncio.timeout(limit_s):
            connection = await connect(node, name)
    except CONNECTION_LOST as error:
        return None, wrong(subject, *_connection_problem(address, error, limit_s))
    return connection, well(subject, f"connected to {address}{', by TLS' if node.startswith('amqps:') else ''}")


def _connection_problem(address: str, error: BaseException, limit_s: float) -> tuple[str, str]:
    if words := tls_error_of(error):
        return f"TLS to {address} fails: {words}", f"compare the certificates with {SETTING}"
    if isinstance(error, BAD_CREDENTIALS):
        return f"{address} refuses the user or the password", f"mend {SETTING} or the user"
    if isinstance(error, BAD_VHOST):
        return f"{address} has no such vhost for this user", f"mend {SETTING}; {RIGHTS_REMEDY}"
    if isinstance(error, TimeoutError):
        return f"{address} does not answer in {limit_s:.1f} s", "is it the broker, and well?"
    return f"{address} cannot be reached ({type(error).__name__})", f"start it, or mend {SETTING}"


def queue_subject(provider: str) -> str:
    """Returns the name of the check of a provider's queue, as a `doctor` command shows it: `queue of cnaf`."""
    return f"queue of {provider}"


async def check_provider_queue(
    connection: Connection, provider: str, remedy: str, deadline: Deadline, needs: tuple[str, ...] = ()
) -> Finding:
    """Checks that workers consume a provider's usual queue, and not its reserve queue. `remedy` is the advice to the
    operator if no worker consumes either queue. `needs` names other checks whose failure may then be the cause."""
    # Workers on the reserve queue are reported as wrong, although calls are answered.
    subject = queue_subject(provider)
    # At once: the broker may answer neither of them, for example while the node of a queue is down.
    usual, reserve = await asyncio.gather(
        _count(connection, queue_of(provider), deadline), _count(connection, reserve_queue_of(provider), deadline)
    )
    match usual, reserve:
        case QueueCounts(messages=waiting, consumers=consumers), _ if consumers:
            return well(subject, f"{consumers} consumers, {waiting} messages wait")
        case _, QueueCounts(messages=waiting, consumers=consumers) if consumers:
            says = f"{consumers} consumers use its reserve queue, {waiting} messages wait: calls are answered"
            return wrong(subject, says, RESERVE_REMEDY)
    match usual:
        case str() as why:
            return unknown(subject, why, needs=(RIGHTS_SUBJECT,))
        case None:
            return wrong(subject, "is not there: no worker is connected", remedy, needs)
        case QueueCounts(messages=waiting):
            return wrong(subject, f"has no consumer; {waiting} messages wait", remedy, needs)


async def check_service(connection: Connection, provider: str, remedy: str, deadline: Deadline) -> list[Finding]:
    """Checks that the broker's user has the rights that a worker of a provider needs, and that workers consume the
    provider's queue. `remedy` is the advice to the operator if no worker does."""
    # One after another, since the check of the rights is itself a consumer of the queue for a moment.
    half = deadline.earlier_by(deadline.left_s() / 2)
    queue = await check_provider_queue(connection, provider, remedy, half, needs=(RIGHTS_SUBJECT,))
    return [await check_serve_rights(connection, provider, deadline), queue]


async def check_journal_queue(connection: Connection, remedy: str, deadline: Deadline) -> Finding:
    """Checks that a process consumes the queue of journal records. `remedy` is the advice to the operator if no process
    does."""
    subject = "journal"
    match await _count(connection, JOURNAL_QUEUE, deadline):
        case str() as why:
            return unknown(subject, why, needs=(RIGHTS_SUBJECT,))
        case None:
            return wrong(subject, "its queue is not there: records wait in the gateways' spools", remedy)
        case QueueCounts(messages=waiting, consumers=0):
            return wrong(subject, f"is not written; {waiting} records wait in its queue", remedy)
        case QueueCounts(messages=waiting, consumers=writers):
            return well(subject, f"{writers} writers, {waiting} records wait in its queue")


async def check_call_rights(connection: Connection, deadline: Deadline) -> Finding:
    """Checks that the broker's user has the rights that a gateway needs. As a trial, declares a reply queue and sends a
    message to it, on a separate connection."""
    # The reply queue that it declares is deleted when that connection is closed. The reply exchange, which every
    # gateway declares too, stays.
    try:
        async with _another(connection) as own:
            return await _call_rights(own, deadline)
    except CONNECTION_LOST as error:
        return _no_message_returns(error)


async def _call_rights(own: Connection, deadline: Deadline) -> Finding:
    try:
        async with asyncio.timeout(deadline.left_s()):
            await check_calling(own)
    except AccessRefused as error:
        return wrong(RIGHTS_SUBJECT, f"the user may not do what a gateway does ({missing_right(error)})", RIGHTS_REMEDY)
    except CONNECTION_LOST as error:
        if await own.is_blocked():
            return wrong(RIGHTS_SUBJECT, "the broker takes no message: it is short of memory or disk", ALARM_REMEDY)
        return _no_message_returns(error)
    return well(RIGHTS_SUBJECT, "a reply queue can be made, and a message comes back")


def _no_message_returns(error: BaseException) -> Finding:
    says = f"a message does not come back ({type(error).__name__})"
    return wrong(RIGHTS_SUBJECT, says, "is the broker short of memory or disk?")


async def check_serve_rights(connection: Connection, provider: str, deadline: Deadline) -> Finding:
    """Checks that the broker's user has the rights that a worker of the provider needs. As a trial, consumes the
    provider's queue for a moment, on a separate connection."""
    # Its consumer ends when that connection is closed.
    try:
        async with asyncio.timeout(deadline.left_s()), _another(connection) as own:
            await check_serving(own, provider)
            async with own.temporary_channel() as channel:
                await channel.require_exchange(REPLY_EXCHANGE)
    except AccessRefused as error:
        return wrong(RIGHTS_SUBJECT, f"the user may not do what a worker does ({missing_right(error)})", RIGHTS_REMEDY)
    except NotDeclared:
        return unknown(RIGHTS_SUBJECT, "its queue can be made; replies have no exchange before the first gateway")
    except CONNECTION_LOST as error:
        return wrong(RIGHTS_SUBJECT, f"its queue cannot be made ({type(error).__name__})", "look at the broker's log")
    return well(RIGHTS_SUBJECT, "its queue can be made, and a reply sent")


async def _count(connection: Connection, queue: str, deadline: Deadline) -> QueueCounts | str | None:
    try:
        async with asyncio.timeout(deadline.left_s()), connection.temporary_channel() as channel:
            return await channel.count(queue)
    except NotDeclared:
        return None
    except CONNECTION_LOST as error:
        return f"the broker does not answer ({type(error).__name__})"
