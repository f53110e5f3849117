"""Tests of retries of calls to an upstream."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from bouquet_worker import Upstream, UpstreamClient
from bouquet_worker.breaker import Breaker
from tests.kit.upstream.fake_upstream import FakeUpstream, reason_of
from tests.support import raw_http_server as servers
from tests.support.clock import skip_time
from tests.support.upstream_client import open_upstream
from tests.support.waiting import TEST_TIMEOUT_S


async def test_a_get_is_retried_once(fake: FakeUpstream, upstream: UpstreamClient) -> None:
    fake.statuses = [503, 200]
    assert (await upstream.get("/")).status == 200


async def test_a_get_is_not_retried_twice(fake: FakeUpstream, upstream: UpstreamClient) -> None:
    fake.statuses = [503]
    assert await reason_of(upstream.get("/")) == "upstream_unavailable"
    assert len(fake.received) == 2


async def test_a_post_is_not_retried(fake: FakeUpstream, upstream: UpstreamClient) -> None:
    fake.statuses = [503, 200]
    assert await reason_of(upstream.post("/")) == "upstream_unavailable"


async def test_an_idempotent_post_is_retried(fake: FakeUpstream, upstream: UpstreamClient) -> None:
    fake.statuses = [503, 200]
    assert (await upstream.post("/", idempotent=True)).status == 200


async def test_a_permanent_failure_is_not_retried(fake: FakeUpstream, url: str) -> None:
    fake.statuses = [500]
    async with open_upstream(Upstream("api", url, failures={500: "upstream_internal"})) as upstream:
        await reason_of(upstream.get("/"))
    assert len(fake.received) == 1


@pytest.mark.parametrize("behave", [servers.say_nothing, servers.hang_up])
async def test_a_timeout_is_not_retried(behave: servers.Behaviour) -> None:
    async with (
        servers.raw_server(behave) as server,
        open_upstream(Upstream("api", server.url, timeout_s=0.2)) as upstream,
    ):
        assert await reason_of(upstream.get("/")) == "upstream_timeout"
        # On a busy machine the time limit may pass before the server has read the request.
        assert server.requests <= 1


async def test_a_reset_connection_is_retried_by_the_kit_and_not_by_aiohttp() -> None:
    async with servers.raw_server(servers.reset) as server, open_upstream(Upstream("api", server.url)) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_unavailable"
        assert server.requests == 2


async def test_a_failure_after_half_of_the_timeout_is_not_retried(
    fake: FakeUpstream, upstream: UpstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.statuses = [503, 200]
    fake.before_answer = partial(skip_time, monkeypatch, TEST_TIMEOUT_S / 2)
    assert await reason_of(upstream.get("/")) == "upstream_unavailable"


async def test_the_retry_budget_limits_retries_to_a_tenth_of_the_calls(fake: FakeUpstream, url: str) -> None:
    fake.statuses = [503]
    async with open_upstream(Upstream("api", url), breaker=Breaker("acme", "api", after=1000)) as upstream:
        await asyncio.gather(*(reason_of(upstream.get("/")) for _ in range(100)))
    assert len(fake.received) <= 100 + 10 + 100 // 10
