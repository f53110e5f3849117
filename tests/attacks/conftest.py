"""The broker is attacked in two versions: the machine's, and that of production."""

from __future__ import annotations

import pytest

from tests.support.rabbitmq import RabbitNode


@pytest.fixture(scope="session")
def rabbit(either_rabbit: RabbitNode) -> RabbitNode:
    return either_rabbit
