"""Fixtures for attacks on the broker: every test with a broker runs on RabbitMQ 3 of the machine and on RabbitMQ 4 of
production."""

from __future__ import annotations

import pytest

from tests.support.rabbitmq import RabbitNode


@pytest.fixture(scope="session")
def rabbit(either_rabbit: RabbitNode) -> RabbitNode:
    return either_rabbit
