"""RabbitMQ, for whoever has a user there: reached, let in, and what its queues hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import cast
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq.channel import Channel
from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ConnectionClosed,
    ConnectionNotAllowed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from bouquet_mesh.amqp.link import CONNECT_TIMEOUT_S, LOST
from bouquet_mesh.doctor.findings import Finding, unknown, well, wrong
from bouquet_mesh.tls.context import trouble_of
from bouquet_proto.names import JOURNAL_QUEUE, MESH_PREFIX, QUEUE_ARGUMENTS, REPLY_EXCHANGE, queue_of

LOOK_S = 5.0
RIGHTS = "give it those of deploy/rabbitmq/definitions.py again"
SETTING = f"{MESH_PREFIX}BUS_URL"
ALLOWED = "rights on the broker"


@asynccontextmanager
async def reached(url: str, name: str) -> AsyncIterator[tuple[AbstractConnection | None, Finding]]:
    """A connection of that name, or none; and what there is to say of it."""
    where = _where(url)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await aio_pika.connect(url, client_properties={"connection_name": name})
    except LOST as error:
        yield None, _unreachable(where, error)
        return
    async with connection:
        yield connection, well("broker", f"connected to {where}{', by TLS' if url.startswith('amqps:') else ''}")


def _where(url: str) -> str:
    """Without user and password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or (5671 if parts.scheme == 'amqps' else 5672)}"


def _unreachable(where: str, error: BaseException) -> Finding:
    if words := trouble_of(error):
        return wrong("broker", f"TLS to {where} fails: {words}", f"compare the certificates with {SETTING}")
    match error:
        case AuthenticationError() | ProbableAuthenticationError():
            return wrong("broker", f"{where} refuses the user or the password", f"mend {SETTING} or the user")
        case ConnectionNotAllowed() | ConnectionClosed() | InvalidFrameError():  # aiormq cannot read that refusal
            return wrong("broker", f"{where} has no such vhost for this user", f"mend {SETTING}; {RIGHTS}")
        case TimeoutError():
            return wrong("broker", f"{where} does not answer in {CONNECT_TIMEOUT_S:g} s", "is it the broker, and well?")
        case _:
            why = type(error).__name__
            return wrong("broker", f"{where} cannot be reached ({why})", f"start it, or mend {SETTING}")


async def serving(connection: AbstractConnection, provider: str, remedy: str) -> Finding:
    """Whether somebody answers for a provider."""
    subject = f"queue of {provider}"
    counts = await counted(connection, queue_of(provider))
    if isinstance(counts, str):
        return unknown(subject, counts)
    if counts is None:
        return wrong(subject, "is not there: no worker is connected", remedy)
    waiting, consumers = counts
    if not consumers:
        return wrong(subject, f"nobody consumes it; {waiting} messages wait", remedy)
    return well(subject, f"{consumers} consumers, {waiting} messages wait")


async def journal(connection: AbstractConnection, remedy: str) -> Finding:
    """Whether somebody writes it."""
    subject = "journal"
    match await counted(connection, JOURNAL_QUEUE):
        case str() as unheard:
            return unknown(subject, unheard)
        case None:
            return wrong(subject, "its queue is not there: records wait in the gateways' spools", remedy)
        case waiting, 0:
            return wrong(subject, f"nobody writes it; {waiting} records wait in its queue", remedy)
        case waiting, writers:
            return well(subject, f"{writers} writers, {waiting} records wait in its queue")


async def may_serve(connection: AbstractConnection, provider: str) -> Finding:
    """What a worker does as it starts, and to reply. A queue that was not there is taken away again."""
    queue = queue_of(provider)
    was_there = await counted(connection, queue) is not None
    try:
        async with asyncio.timeout(LOOK_S), channel_of(connection) as channel:
            await channel.queue_declare(queue, durable=True, auto_delete=True, arguments=QUEUE_ARGUMENTS)
            if not was_there:
                await channel.queue_delete(queue, if_unused=True)
            await channel.basic_publish(b"", exchange=REPLY_EXCHANGE, routing_key="nobody: a doctor's")
    except ChannelAccessRefused as error:
        return wrong(ALLOWED, f"the user may not do what a worker does ({refused(error)})", RIGHTS)
    except ChannelNotFoundEntity:
        return unknown(ALLOWED, "its queue can be made; replies have no exchange before the first gateway")
    except LOST as error:
        return wrong(ALLOWED, f"its queue cannot be made ({type(error).__name__})", "look at the broker's log")
    return well(ALLOWED, "its queue can be made, and a reply sent")


def refused(error: ChannelAccessRefused) -> str:
    """`write access to exchange 'amq.default'`: the broker's words, as far as they name what is refused."""
    return str(error.args[-1] if error.args else "").partition(" in vhost")[0].removeprefix("ACCESS_REFUSED - ")


async def counted(connection: AbstractConnection, queue: str) -> tuple[int, int] | str | None:
    """Messages and consumers; `None` without the queue, words where the broker does not tell."""
    try:
        async with asyncio.timeout(LOOK_S), channel_of(connection) as channel:
            told = await channel.queue_declare(queue, passive=True)
    except ChannelNotFoundEntity:
        return None
    except LOST as error:
        return f"the broker does not tell ({type(error).__name__})"
    return told.message_count or 0, told.consumer_count or 0


@asynccontextmanager
async def channel_of(connection: AbstractConnection) -> AsyncIterator[Channel]:
    """One a question: a refusal closes its channel."""
    channel = await connection.channel(on_return_raises=True)
    try:
        yield cast(Channel, await channel.get_underlay_channel())
    finally:
        with suppress(*LOST):
            await channel.close()
