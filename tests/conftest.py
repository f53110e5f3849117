"""Fixtures for all tests. Each server (RabbitMQ, redis, PostgreSQL) starts once per session or, with pytest-xdist, once
per worker process."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bouquet_ants import settings as ants_settings
from bouquet_france_connect import keys as france_connect_keys
from bouquet_gateway.access import registry_answers, registry_client
from bouquet_gateway.offers import discovery
from bouquet_gateway.stores import optional, redis_client
from bouquet_mesh.amqp import link
from bouquet_mesh.bus import amqp, queues
from tests.support import postgres, rabbitmq, redis
from tests.support.reference import closing_line
from tests.support.waiting import TEST_TIMEOUT_S

# On a laptop a missing server skips its tests; in CI a skipped test would be a green lie.
SERVICES_REQUIRED = bool({"CI", "BOUQUET_REQUIRE_SERVICES"} & os.environ.keys())

WITHOUT_SERVERS = frozenset(Path(__file__).parent / name for name in ("bench", "proto", "providers", "repo", "sandbox"))
"""Folders of tests that need no broker. A run with `-m broker` skips them, because collecting them takes long."""

# A deadline would measure the machine, and a random CI run fails for another reason than its change.
hypothesis.settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.register_profile("few", hypothesis.settings.get_profile("house"), max_examples=10)
hypothesis.settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option `--fuzz-minutes`, with which `make fuzz` sets how long each file of fuzz tests runs."""
    parser.addoption("--fuzz-minutes", type=float, help="how long fuzzers look for trouble, each file of them")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skips the folders without broker tests in a run with `-m broker`."""
    return True if config.option.markexpr == "broker" and collection_path in WITHOUT_SERVERS else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Returns how many processes run tests for `-n auto`: one more than there are processors, because more than a third
    of the time of the unit tests is spent waiting, for a browser and for simulated providers."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # pytest-xdist reads it
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Moves slow tests to the front. Raises an error if a folder of `WITHOUT_SERVERS` contains a test that needs a
    broker."""
    # A slow test that begins last would keep one process busy while the others have ended.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        if item.get_closest_marker("broker") and WITHOUT_SERVERS.intersection(item.path.parents):
            raise pytest.UsageError(f"{item.nodeid} needs a server, in a folder whose tests need none ({__file__})")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints how many tests were skipped because reference data are missing."""
    skipped = terminalreporter.getreports("skipped")
    if line := closing_line(str(report.longrepr) for report in skipped):
        terminalreporter.write_line(line, yellow=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart() -> None:
    """Makes garbage collection rarer, to save time."""
    gc.set_threshold(70_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def keys_read_once() -> Iterator[None]:
    """Caches the private keys of the workers for FranceConnect and the ANTS for the session."""
    # Each start of these workers reads them, and OpenSSL takes up to a tenth of a second to check them.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(france_connect_keys, "private_keys", cache(france_connect_keys.private_keys))
        patched.setattr(ants_settings, "load_pem_private_key", cache(load_pem_private_key))
        yield


@pytest.fixture(scope="session")
def rabbitmq3() -> Iterator[rabbitmq.RabbitNode]:
    yield from _node(rabbitmq.RABBITMQ_3)


@pytest.fixture(scope="session")
def rabbitmq4() -> Iterator[rabbitmq.RabbitNode]:
    yield from _node(rabbitmq.RABBITMQ_4)


@pytest.fixture(scope="session", params=["rabbitmq3", "rabbitmq4"])
def either_rabbit(request: pytest.FixtureRequest) -> rabbitmq.RabbitNode:
    """Returns a node of RabbitMQ 3 or 4. Each test that uses this fixture runs twice, once with each version."""
    node: rabbitmq.RabbitNode = request.getfixturevalue(request.param)
    return node


@pytest.fixture(scope="session")
def rabbit(rabbitmq3: rabbitmq.RabbitNode) -> rabbitmq.RabbitNode:
    """Returns the RabbitMQ 3 node that all tests of the session share."""
    return rabbitmq3


@pytest.fixture(autouse=True)
def slow_servers_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives RabbitMQ, redis, the registry and workers that describe their operations as long to respond as a test may
    take. On a busy machine, the server or the test may stand still for longer than the product waits, and a call would
    fail."""
    for module, name in (
        (amqp, "PUBLISH_TIMEOUT_S"),
        (queues, "DECLARE_TIMEOUT_S"),
        (discovery, "ASK_TIMEOUT_S"),
        (registry_answers, "ASK_TIMEOUT_S"),
        (registry_client, "ASK_TIMEOUT_S"),
    ):
        monkeypatch.setattr(module, name, TEST_TIMEOUT_S)
    _set_redis_timeout(monkeypatch, TEST_TIMEOUT_S)


@pytest.fixture
def short_redis_timeout(slow_servers_allowed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the timeout of redis, for tests of a redis that is silent."""
    _set_redis_timeout(monkeypatch, 0.3)


def _set_redis_timeout(monkeypatch: pytest.MonkeyPatch, timeout_s: float) -> None:
    monkeypatch.setattr(optional, "TIMEOUT_S", timeout_s)
    monkeypatch.setattr(redis_client, "TIMEOUTS", dict.fromkeys(redis_client.TIMEOUTS, timeout_s))


@pytest.fixture
def fast_reconnection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the pauses between attempts to reconnect to 0.3 s at most."""
    monkeypatch.setattr(link, "LAST_RETRY_S", 0.3)


@pytest.fixture
def broker_url(rabbit: rabbitmq.RabbitNode) -> str:
    """Returns the URL of a new vhost that no other test uses."""
    return rabbit.vhost()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.RedisServer]:
    need(redis.PROGRAM is not None, "redis")
    with redis.RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


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
