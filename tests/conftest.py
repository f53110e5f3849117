"""Fixtures that every test may ask for. A server is one per session; under pytest-xdist one per worker."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from bouquet_france_connect import keys
from bouquet_gateway.stores import optional
from bouquet_mesh.amqp import link
from tests.support import postgres, rabbitmq, redis
from tests.support.reference import closing_line

# On a laptop a missing server skips its tests; in CI a skipped test would be a green lie.
SERVICES_REQUIRED = bool({"CI", "BOUQUET_REQUIRE_SERVICES"} & os.environ.keys())

WITHOUT_SERVERS = frozenset(Path(__file__).parent / name for name in ("bench", "proto", "providers", "repo", "sandbox"))
"""Folders of tests that need no server: not even read by those who run the others alone."""

# A deadline would measure the machine, and a random CI run fails for another reason than its change.
hypothesis.settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.register_profile("few", hypothesis.settings.get_profile("house"), max_examples=10)
hypothesis.settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make fuzz MINUTES=n` asks for more than a test run can wait for."""
    parser.addoption("--fuzz-minutes", type=float, help="how long fuzzers look for trouble, each file of them")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Thousands of tests are not made only to be left out again, by each of the processes that run the others."""
    return True if config.option.markexpr == "broker" and collection_path in WITHOUT_SERVERS else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever runs them with `-m broker` would miss those."""
    for item in items:
        if item.get_closest_marker("broker") and WITHOUT_SERVERS.intersection(item.path.parents):
            raise pytest.UsageError(f"{item.nodeid} needs a server, in a folder whose tests need none ({__file__})")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What a lone clone cannot show is said, and not only counted."""
    skipped = terminalreporter.getreports("skipped")
    if line := closing_line(str(report.longrepr) for report in skipped):
        terminalreporter.write_line(line, yellow=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart() -> None:
    """Collects garbage a hundred times less often than Python would.

    Ten thousand tests, once made, live as long as the run: to look at all of them again and again took a seventh of
    the time in which they are made.
    """
    gc.set_threshold(70_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def keys_read_once() -> Iterator[None]:
    """FranceConnect's worker reads its private key three times as it starts, for whose proof OpenSSL takes a tenth of a
    second each time: a minute of a processor for all the tests that start one."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(keys, "private_keys", cache(keys.private_keys))
        yield


@pytest.fixture(scope="session")
def rabbitmq3() -> Iterator[rabbitmq.RabbitNode]:
    yield from _node(rabbitmq.RABBITMQ_3)


@pytest.fixture(scope="session")
def rabbitmq4() -> Iterator[rabbitmq.RabbitNode]:
    yield from _node(rabbitmq.RABBITMQ_4)


@pytest.fixture(scope="session", params=["rabbitmq3", "rabbitmq4"])
def either_rabbit(request: pytest.FixtureRequest) -> rabbitmq.RabbitNode:
    """The machine's RabbitMQ, and the one that production runs. A folder whose tests are for both calls it `rabbit`."""
    node: rabbitmq.RabbitNode = request.getfixturevalue(request.param)
    return node


@pytest.fixture(scope="session")
def rabbit(rabbitmq3: rabbitmq.RabbitNode) -> rabbitmq.RabbitNode:
    """The session's RabbitMQ. Take `broker_url` instead, unless the test is about the node itself."""
    return rabbitmq3


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that comes back is found within 0.3 s by this process."""
    monkeypatch.setattr(link, "LAST_RETRY_S", 0.3)


@pytest.fixture
def broker_url(rabbit: rabbitmq.RabbitNode) -> str:
    """A vhost of the test's own."""
    return rabbit.vhost()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.RedisServer]:
    need(redis.PROGRAM is not None, "redis")
    with redis.RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A redis that is slow, as on a busy machine, is not away for this process."""
    monkeypatch.setattr(optional, "TIMEOUT_S", 60.0)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.PostgresServer]:
    need(postgres.PROGRAM is not None, "PostgreSQL")
    with postgres.PostgresServer() as server:
        yield server


def _node(release: rabbitmq.Release) -> Iterator[rabbitmq.RabbitNode]:
    need(release.is_installed, release.name)
    with release.folder() as folder, rabbitmq.RabbitNode(folder, release=release) as node:
        yield node


def need(is_installed: bool, name: str, how: str = "run scripts/install_services.sh as root") -> None:
    if not is_installed:
        give_up = pytest.fail if SERVICES_REQUIRED else pytest.skip
        give_up(f"{name} is not installed: {how}")
