"""Fixtures that run the tests of the bus on the installed RabbitMQ and on the version that production runs."""

from __future__ import annotations

import pytest

from bouquet_mesh.amqp import link
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import TEST_TIMEOUT_S


@pytest.fixture(scope="session")
def rabbit(either_rabbit: RabbitNode) -> RabbitNode:
    return either_rabbit


@pytest.fixture(autouse=True)
def slow_probes_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives RabbitMQ as long to answer a probe as a test may take. On a busy machine, RabbitMQ or the test may stand
    still for longer than the product waits, and the product would take RabbitMQ for lost."""
    monkeypatch.setattr(link, "PROBE_TIMEOUT_S", TEST_TIMEOUT_S)
