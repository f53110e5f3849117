"""Fixtures that run the tests of the bus on the installed RabbitMQ and on the version that production runs."""

from __future__ import annotations

import pytest

from tests.support.rabbitmq import RabbitNode


@pytest.fixture(scope="session")
def rabbit(either_rabbit: RabbitNode) -> RabbitNode:
    return either_rabbit
