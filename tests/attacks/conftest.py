"""Fixtures for attacks on the broker. Tests run on RabbitMQ 3 and on RabbitMQ 4, which production runs."""

from __future__ import annotations

import pytest

from tests.support.rabbitmq import RabbitNode


@pytest.fixture(scope="session")
def rabbit(either_rabbit: RabbitNode) -> RabbitNode:
    return either_rabbit
