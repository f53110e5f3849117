"""What a gateway needs of RabbitMQ: to be allowed what it does there, and the queues that it sends to."""

from __future__ import annotations

import asyncio
import secrets

from aio_pika.abc import AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity
from pamqp.commands import Basic

from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.amqp.link import LOST
from bouquet_mesh.doctor.broker import ALLOWED, LOOK_S, RIGHTS, channel_of, journal, reached, refused, serving
from bouquet_mesh.doctor.findings import Finding, well, wrong
from bouquet_proto import registry_messages
from bouquet_proto.names import REPLY_EXCHANGE

WRITE = "start `bouquet-registry serve`, or its `journal serve`; until then records wait, none is lost"


async def examine(url: str, settings: GatewaySettings) -> tuple[list[Finding], bool]:
    """And whether it could be connected to."""
    async with reached(url, "bouquet-gateway doctor") as (connection, finding):
        if connection is None:
            return [finding], False
        findings = [finding, await _rights(connection)]
        for provider in settings.providers:
            remedy = f"start `bouquet-worker run {provider}`, and see its log"
            findings.append(await serving(connection, provider, remedy))
        if settings.tokens_from == "registry":
            findings.append(await serving(connection, registry_messages.PROVIDER, "start `bouquet-registry serve`"))
        if settings.has_journal:
            findings.append(await journal(connection, WRITE))
    return findings, True


async def _rights(connection: AbstractConnection) -> Finding:
    """What a gateway does as it starts: a reply queue of its own, which is gone with this connection, and a letter to
    itself."""
    try:
        has_replies = await _has_replies(connection)
        async with asyncio.timeout(LOOK_S), channel_of(connection) as channel:
            name = f"{REPLY_EXCHANGE}.{secrets.token_hex(8)}"
            await channel.queue_declare(name, exclusive=True, auto_delete=True)
            if has_replies:  # declared once more, it stays as it is
                await channel.exchange_declare(REPLY_EXCHANGE, exchange_type="direct", durable=True)
                await channel.queue_bind(name, REPLY_EXCHANGE, name)
            await channel.basic_publish(b"", routing_key=name, mandatory=True)
            letter = await channel.basic_get(name, no_ack=True)
    except ChannelAccessRefused as error:
        return wrong(ALLOWED, f"the user may not do what a gateway does ({refused(error)})", RIGHTS)
    except LOST as error:
        why = type(error).__name__
        return wrong(ALLOWED, f"a message does not come back ({why})", "is the broker short of memory or disk?")
    if not isinstance(letter.delivery, Basic.GetOk):
        return wrong(ALLOWED, "a message to itself did not arrive", "look at the broker's log")
    return well(ALLOWED, "a reply queue can be made, and a message comes back")


async def _has_replies(connection: AbstractConnection) -> bool:
    """Whether the reply exchange is there; the first gateway makes it."""
    try:
        async with asyncio.timeout(LOOK_S), channel_of(connection) as channel:
            await channel.exchange_declare(REPLY_EXCHANGE, passive=True)
    except ChannelNotFoundEntity:
        return False
    return True
