"""Fixtures of the tests of faults. The tests run on RabbitMQ 4, as in production, and on RabbitMQ 3."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from bouquet_mesh.bus.amqp import AmqpBus
from tests.support.broker import Broker
from tests.support.bus import connected_bus
from tests.support.rabbitmq import RabbitNode


@pytest.fixture(scope="session")
def rabbit(either_rabbit: RabbitNode) -> RabbitNode:
    return either_rabbit


@pytest.fixture(autouse=True)
def fast_reconnection_everywhere(fast_reconnection: None) -> None:
    """Shortens the pauses between attempts to reconnect to the broker, in every test of this folder."""


@pytest.fixture(scope="module")
def url(rabbit: RabbitNode) -> str:
    return rabbit.vhost()


@pytest.fixture
def broker(rabbit: RabbitNode, url: str) -> Broker:
    return Broker(rabbit, url)


@pytest.fixture
async def caller(url: str) -> AsyncIterator[AmqpBus]:
    async with connected_bus(url) as bus:
        yield bus


@pytest.fixture
async def operator(url: str) -> AsyncIterator[AbstractChannel]:
    """Yields a channel of a broker user with all rights on the vhost. Tests use it to act as an operator, who may for
    example delete a queue."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        yield channel
