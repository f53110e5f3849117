"""Fixtures that every test may ask for. A server is one per session; under pytest-xdist one per worker."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

from tests.support import postgres, rabbitmq, redis

# On a laptop a missing server skips its tests; in CI a skipped test would be a green lie.
SERVICES_REQUIRED = bool({"CI", "BOUQUET_REQUIRE_SERVICES"} & os.environ.keys())

# A deadline would measure the machine, and a random CI run fails for another reason than its change.
hypothesis.settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rabbitmq.RabbitNode]:
    """The session's RabbitMQ. Take `broker_url` instead, unless the test is about the node itself."""
    _need(rabbitmq.PROGRAM, "RabbitMQ")
    with rabbitmq.RabbitNode(tmp_path_factory.mktemp("rabbitmq")) as node:
        yield node


@pytest.fixture
def broker_url(rabbit: rabbitmq.RabbitNode) -> str:
    """A vhost of the test's own."""
    return rabbit.vhost()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.RedisServer]:
    _need(redis.PROGRAM, "redis")
    with redis.RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.PostgresServer]:
    _need(postgres.PROGRAM, "PostgreSQL")
    with postgres.PostgresServer() as server:
        yield server


def _need(program: str | None, name: str) -> None:
    if program is None:
        give_up = pytest.fail if SERVICES_REQUIRED else pytest.skip
        give_up(f"{name} is not installed: run scripts/install_services.sh")
