"""RabbitMQ: reached, let in, allowed what a gateway does there, and the queues that it needs."""

from __future__ import annotations

import asyncio
import secrets
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
from pamqp.commands import Basic

from bouquet_gateway.doctor.findings import Finding, unknown, well, wrong
from bouquet_gateway.settings import GatewaySettings
from bouquet_proto import registry
from bouquet_proto.amqp_link import CONNECT_TIMEOUT_S, LOST
from bouquet_proto.names import JOURNAL_QUEUE, MESH_PREFIX, REPLY_EXCHANGE, queue_of
from bouquet_proto.tls import trouble_of

LOOK_S = 5.0
RIGHTS = "give it those of deploy/rabbitmq/definitions.py again"
SETTING = f"{MESH_PREFIX}BUS_URL"


async def examine(url: str, settings: GatewaySettings) -> tuple[list[Finding], bool]:
    """And whether it could be connected to."""
    where = _where(url)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await aio_pika.connect(url, client_properties={"connection_name": "bouquet-gateway doctor"})
    except LOST as error:
        return [_unreachable(where, error)], False
    async with connection:
        findings = [well("broker", f"connected to {where}{', by TLS' if url.startswith('amqps:') else ''}")]
        findings.append(await _rights(connection))
        for provider in settings.providers:
            findings.append(
                await _queue(connection, provider, f"start `bouquet-worker run {provider}`, and see its log")
            )
        if settings.tokens_from == "registry":
            findings.append(await _queue(connection, registry.PROVIDER, "start `bouquet-registry serve`"))
        if settings.has_journal:
            findings.append(await _journal(connection))
    return findings, True


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


async def _rights(connection: AbstractConnection) -> Finding:
    """What a gateway does as it starts: a reply queue of its own, which is gone with this connection, and a letter to
    itself."""
    subject = "rights on the broker"
    try:
        has_replies = await _has_replies(connection)
        async with asyncio.timeout(LOOK_S), _channel(connection) as channel:
            name = f"{REPLY_EXCHANGE}.{secrets.token_hex(8)}"
            await channel.queue_declare(name, exclusive=True, auto_delete=True)
            if has_replies:  # declared once more, it stays as it is
                await channel.exchange_declare(REPLY_EXCHANGE, exchange_type="direct", durable=True)
                await channel.queue_bind(name, REPLY_EXCHANGE, name)
            await channel.basic_publish(b"", routing_key=name, mandatory=True)
            letter = await channel.basic_get(name, no_ack=True)
    except ChannelAccessRefused as error:
        return wrong(subject, f"the user may not do what a gateway does ({_refused(error)})", RIGHTS)
    except LOST as error:
        why = type(error).__name__
        return wrong(subject, f"a message does not come back ({why})", "is the broker short of memory or disk?")
    if not isinstance(letter.delivery, Basic.GetOk):
        return wrong(subject, "a message to itself did not arrive", "look at the broker's log")
    return well(subject, "a reply queue can be made, and a message comes back")


async def _has_replies(connection: AbstractConnection) -> bool:
    """Whether the reply exchange is there; the first gateway makes it."""
    try:
        async with asyncio.timeout(LOOK_S), _channel(connection) as channel:
            await channel.exchange_declare(REPLY_EXCHANGE, passive=True)
    except ChannelNotFoundEntity:
        return False
    return True


def _refused(error: ChannelAccessRefused) -> str:
    """`write access to exchange 'amq.default'`: the broker's words, as far as they name what is refused."""
    return str(error.args[-1] if error.args else "").partition(" in vhost")[0].removeprefix("ACCESS_REFUSED - ")


async def _queue(connection: AbstractConnection, provider: str, remedy: str) -> Finding:
    subject = f"queue of {provider}"
    counts = await _counts(connection, queue_of(provider))
    if isinstance(counts, str):
        return unknown(subject, counts)
    if counts is None:
        return wrong(subject, "is not there: no worker is connected", remedy)
    waiting, consumers = counts
    if not consumers:
        return wrong(subject, f"nobody consumes it; {waiting} messages wait", remedy)
    return well(subject, f"{consumers} consumers, {waiting} messages wait")


async def _journal(connection: AbstractConnection) -> Finding:
    subject = "journal"
    remedy = "start `bouquet-registry serve`, or its `journal serve`; until then records wait, none is lost"
    counts = await _counts(connection, JOURNAL_QUEUE)
    if isinstance(counts, str):
        return unknown(subject, counts)
    if counts is None:
        return wrong(subject, "its queue is not there: records wait in the gateways' spools", remedy)
    waiting, writers = counts
    if not writers:
        return wrong(subject, f"nobody writes it; {waiting} records wait in its queue", remedy)
    return well(subject, f"{writers} writers, {waiting} records wait in its queue")


async def _counts(connection: AbstractConnection, queue: str) -> tuple[int, int] | str | None:
    """Messages and consumers; `None` without the queue, words where the broker does not tell."""
    try:
        async with asyncio.timeout(LOOK_S), _channel(connection) as channel:
            told = await channel.queue_declare(queue, passive=True)
    except ChannelNotFoundEntity:
        return None
    except LOST as error:
        return f"the broker does not tell ({type(error).__name__})"
    return told.message_count or 0, told.consumer_count or 0


@asynccontextmanager
async def _channel(connection: AbstractConnection) -> AsyncIterator[Channel]:
    """One a question: a refusal closes its channel."""
    channel = await connection.channel(on_return_raises=True)
    try:
        yield cast(Channel, await channel.get_underlay_channel())
    finally:
        with suppress(*LOST):
            await channel.close()
