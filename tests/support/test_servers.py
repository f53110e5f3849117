"""Tests of the servers that tests start (`tests/support`)."""

import asyncio

import aio_pika
import pytest
from redis.asyncio import Redis

from tests.support.daemon import free_port
from tests.support.rabbitmq import RabbitNode
from tests.support.redis import RedisServer

pytestmark = pytest.mark.broker


async def echo(url: str, text: bytes) -> bytes:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await channel.default_exchange.publish(aio_pika.Message(text), queue.name)
        message = await queue.get()
        await message.ack()
        return message.body


async def test_rabbitmq_delivers_a_published_message(rabbit: RabbitNode) -> None:
    assert await echo(rabbit.url, b"bonjour") == b"bonjour"


async def test_each_test_vhost_is_new_and_usable(rabbit: RabbitNode) -> None:
    first, second = rabbit.vhost(), rabbit.vhost()
    assert first != second
    assert await echo(second, b"bonjour") == b"bonjour"


async def test_a_paused_rabbitmq_hangs_and_a_resumed_one_answers(rabbit: RabbitNode) -> None:
    rabbit.pause()
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await echo(rabbit.url, b"bonjour")
    finally:
        rabbit.resume()
    assert await echo(rabbit.url, b"bonjour") == b"bonjour"


async def test_a_killed_rabbitmq_comes_back_with_its_durable_queues(rabbit: RabbitNode) -> None:
    url = rabbit.vhost()
    async with await aio_pika.connect(url) as connection:
        await (await connection.channel()).declare_queue("kept", durable=True)
        rabbit.settle()
        rabbit.kill()
    with pytest.raises(ConnectionError):
        await aio_pika.connect(url)
    rabbit.start()
    async with await aio_pika.connect(url) as connection:
        await (await connection.channel()).declare_queue("kept", passive=True)


async def test_redis_returns_a_stored_value(redis_server: RedisServer) -> None:
    async with Redis.from_url(redis_server.url) as client:
        await client.set("greeting", "bonjour")
        assert await client.get("greeting") == b"bonjour"


def test_free_port_returns_each_port_once() -> None:
    assert len({free_port() for _ in range(50)}) == 50
