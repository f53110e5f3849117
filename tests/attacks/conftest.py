"""A broker is attacked in both versions: the machine's, and the one that production runs."""

from __future__ import annotations

import pytest

from tests.support.rabbitmq import RabbitNode


@pytest.fixture(scope="session", params=["rabbitmq3", "rabbitmq4"])
def rabbit(request: pytest.FixtureRequest) -> RabbitNode:
    node: RabbitNode = request.getfixturevalue(request.param)
    return node
