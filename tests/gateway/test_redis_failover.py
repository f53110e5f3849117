"""Tests that a gateway finds the redis primary through Sentinels, and follows a failover without refusing a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bouquet_gateway.doctor.stores import examine
from bouquet_gateway.settings import GatewaySettings, read_settings
from bouquet_gateway.stores.open_cache import open_cache
from bouquet_gateway.stores.redis_client import client_of
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import Reader
from bouquet_proto.deadline import Deadline
from tests.support.gateway_client import Answer
from tests.support.mesh import mesh
from tests.support.people import CAF_ALLOCATAIRE
from tests.support.redis import SENTINEL_GROUP, RedisSentinel, RedisServer

SECRET = Secret("k" * 32)


class Group:
    """A redis primary with a replica, and three Sentinels that promote the replica if the primary is gone."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.primary = stack.enter_context(RedisServer(folder / "primary"))
        replica_of = ("--replicaof", f"127.0.0.1 {self.primary.port}")
        self.replica = stack.enter_context(RedisServer(folder / "replica", *replica_of))
        self.sentinels = [
            stack.enter_context(RedisSentinel(folder / f"sentinel{n}", self.primary, quorum=2)) for n in range(3)
        ]

    @property
    def url(self) -> Secret:
        return Secret(f"redis://{self.addresses}/0?sentinel={SENTINEL_GROUP}")

    @property
    def addresses(self) -> str:
        return ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)

    async def is_complete(self) -> None:
        """Waits until every Sentinel knows the replica and the other Sentinels."""
        for sentinel in self.sentinels:
            await _until(sentinel, lambda known: known["num-slaves"] == 1 and known["num-other-sentinels"] == 2)

    async def has_failed_over(self) -> None:
        """Waits until every Sentinel names the former replica as the primary."""
        for sentinel in self.sentinels:
            await _until(sentinel, lambda known: known["port"] == self.replica.port)


async def _until(sentinel: RedisSentinel, holds: Callable[[dict[str, Any]], bool]) -> None:
    async with client_of(Secret(sentinel.url)) as client, asyncio.timeout(90):
        while not holds((await client.sentinel_masters())[SENTINEL_GROUP]):  # type: ignore[call-overload]  # noqa: ASYNC110
            await asyncio.sleep(0.1)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    with ExitStack() as stack:
        yield Group(tmp_path, stack)


@pytest.mark.broker
async def test_calls_are_answered_while_redis_fails_over_and_cached_by_the_new_primary_after(group: Group) -> None:
    await group.is_complete()
    async with mesh(cache_url=group.url) as client:
        first = await client.get(params=CAF_ALLOCATAIRE)
        group.primary.kill()
        during = [await client.get(params=CAF_ALLOCATAIRE) for _ in range(3)]
        await group.has_failed_over()
        after: list[Answer] = []
        async with asyncio.timeout(60):
            while not after or after[-1].headers["X-Response-Cached"] == "false":
                after.append(await client.get(params=CAF_ALLOCATAIRE))
                await asyncio.sleep(0.1)
    assert {answer.status for answer in (first, *during, *after)} == {200}


@pytest.mark.broker
@pytest.mark.parametrize("end", [RedisSentinel.kill, RedisSentinel.pause])
async def test_a_sentinel_that_dies_or_hangs_leaves_the_others(
    group: Group, end: Callable[[RedisSentinel], None]
) -> None:
    await group.is_complete()
    end(group.sentinels[0])
    async with open_cache(group.url, SECRET) as cache, asyncio.timeout(60):
        while (stored := await cache.get("key")) is None:
            await cache.set("key", b"value", 60)
            await asyncio.sleep(0.1)
    assert stored.value == b"value"


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("redis://a:26379,b:26379/0", "several servers need sentinel=NAME, and are Sentinels then"),
        ("redis://a:26379,b:26379/0?sentinel=", "sentinel= has no name"),
        ("redis://a:26379/0?sentinel=", "sentinel= has no name"),
        ("redis://a:26379,,b:26379/0?sentinel=bouquet", "has an empty host"),
        ("redis://a:26379,a:26379/0?sentinel=bouquet", "names a server twice"),
        ("redis://a,a:26379/0?sentinel=bouquet", "names a server twice"),
        ("redis://a:26379,b:26379/0?sentinel=bouquet&retry=1", "has an option that redis does not take"),
        ("redis://a:26379,b:26379/0?sentinel=bouquet&nonsense=1", "has an option that redis does not take"),
    ],
)
def test_a_url_of_several_servers_that_cannot_be_used_is_a_settings_error(url: str, fault: str) -> None:
    reader = Reader({"BOUQUET_GATEWAY_CACHE_URL": url})
    read_settings(reader)
    assert f"BOUQUET_GATEWAY_CACHE_URL: {fault}" in reader.problems


async def test_the_doctor_reports_sentinels_that_name_no_primary_by_their_own_port() -> None:
    settings = GatewaySettings(cache_url=Secret("redis://127.0.0.2,[::1]:1/0?sentinel=bouquet"))
    [redis, _] = await examine(settings, Deadline.after(10))
    assert redis.says.startswith("no Sentinel at 127.0.0.2:26379, ::1:1 names a primary; ")
