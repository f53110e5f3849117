"""Request and reply over RabbitMQ with the library aiormq alone, as a lower bound: nothing is decoded, checked, traced,
acknowledged or confirmed. `--tuned` avoids aiormq's wait for the socket and its random message ids."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, cast

import aiormq
import uvloop
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic

from bench.tally import LatencyRecorder
from bouquet_mesh.signals import stop_requested

QUEUE = "bench.pingpong"
REPLY_TO = "amq.rabbitmq.reply-to"


async def serve(url: str, tuned: bool, reply: bytes) -> None:
    """Answers each request on the queue with the same reply, until SIGTERM or SIGINT."""
    channel = await _channel(url)
    await channel.queue_declare(QUEUE, exclusive=True)
    publish = partial(_publish, channel, tuned, reply)

    async def on_request(message: DeliveredMessage) -> None:
        properties = message.header.properties
        await publish(properties.reply_to or "", correlation_id=properties.correlation_id)

    await channel.basic_consume(QUEUE, on_request, no_ack=True)
    print("ready", flush=True)
    await stop_requested()


async def play(url: str, tuned: bool, request: bytes, players: int, warmup_s: float, seconds: float) -> None:
    """Keeps `players` requests in flight. After a warm-up of `warmup_s`, measures for `seconds` and prints the
    result."""
    channel = await _channel(url)
    pending: dict[str, asyncio.Future[bytes]] = {}

    async def on_reply(message: DeliveredMessage) -> None:
        reply = pending.pop(message.header.properties.correlation_id or "")
        if not reply.done():  # cancelled at the end of the window
            reply.set_result(message.body)

    await channel.basic_consume(REPLY_TO, on_reply, no_ack=True)
    tally = LatencyRecorder()
    call = partial(_publish, channel, tuned, request, QUEUE, reply_to=REPLY_TO)
    playing = [asyncio.create_task(_play_on(call, pending, tally, number)) for number in range(players)]
    await tally.window(warmup_s, seconds)
    for task in playing:
        task.cancel()
    await asyncio.gather(*playing, return_exceptions=True)


async def _play_on(
    call: Callable[..., Coroutine[Any, Any, None]],
    pending: dict[str, asyncio.Future[bytes]],
    tally: LatencyRecorder,
    number: int,
) -> None:
    loop, name = asyncio.get_running_loop(), str(number)
    while True:
        began = time.perf_counter()
        reply = pending[name] = loop.create_future()
        await call(correlation_id=name)
        await reply
        tally.answered(began)


async def _publish(channel: Channel, tuned: bool, body: bytes, routing_key: str, **properties: Any) -> None:
    # aiormq would otherwise make a random message id, which costs as much as all the rest.
    if tuned:
        properties["message_id"] = properties["correlation_id"]
    await channel.basic_publish(
        body, routing_key=routing_key, properties=Basic.Properties(delivery_mode=1, **properties), wait=not tuned
    )


async def _channel(url: str) -> Channel:
    connection = await aiormq.connect(url)
    return cast(Channel, await connection.channel(publisher_confirms=False))


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.baselines.pingpong", description=__doc__)
    parser.add_argument("role", choices=("serve", "play"))
    parser.add_argument("url")
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--warmup-s", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=1.0)
    given = parser.parse_args()
    from bench.lookup import wire_reply, wire_request

    if given.role == "serve":
        uvloop.run(serve(given.url, given.tuned, wire_reply()))
    else:
        uvloop.run(play(given.url, given.tuned, wire_request(), given.connections, given.warmup_s, given.seconds))


if __name__ == "__main__":
    main()
