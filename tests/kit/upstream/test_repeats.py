"""What is asked a second time, and what never is."""

from __future__ import annotations

import asyncio

import pytest

from bouquet_worker import Upstream, UpstreamClient
from bouquet_worker.breaker import Breaker
from tests.kit.upstream.fund import Fund, reason_of
from tests.support import raw_http_server as servers
from tests.support.upstream_client import opened


async def test_a_read_is_repeated_once(fund: Fund, upstream: UpstreamClient) -> None:
    fund.statuses = [503, 200]
    assert (await upstream.get("/")).status == 200


async def test_a_read_is_not_repeated_twice(fund: Fund, upstream: UpstreamClient) -> None:
    fund.statuses = [503]
    assert await reason_of(upstream.get("/")) == "upstream_unavailable"
    assert len(fund.received) == 2


async def test_a_post_is_not_repeated(fund: Fund, upstream: UpstreamClient) -> None:
    fund.statuses = [503, 200]
    assert await reason_of(upstream.post("/")) == "upstream_unavailable"


async def test_a_post_that_only_reads_is_repeated(fund: Fund, upstream: UpstreamClient) -> None:
    fund.statuses = [503, 200]
    assert (await upstream.post("/", idempotent=True)).status == 200


async def test_a_failure_that_will_not_pass_is_not_repeated(fund: Fund, url: str) -> None:
    fund.statuses = [500]
    async with opened(Upstream("fund", url, failures={500: "upstream_internal"})) as upstream:
        await reason_of(upstream.get("/"))
    assert len(fund.received) == 1


@pytest.mark.parametrize("behave", [servers.say_nothing, servers.hang_up])
async def test_a_timeout_is_not_repeated(behave: servers.Connection) -> None:
    async with servers.raw_server(behave) as server, opened(Upstream("fund", server.url, timeout_s=0.2)) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_timeout"
        assert server.requests == 1


async def test_a_reset_is_repeated_by_us_alone() -> None:
    async with servers.raw_server(servers.reset) as server, opened(Upstream("fund", server.url)) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_unavailable"
        assert server.requests == 2


async def test_a_slow_failure_is_not_repeated(fund: Fund, url: str) -> None:
    fund.statuses, fund.pause_s = [503, 200], 0.2
    async with opened(Upstream("fund", url, timeout_s=0.3)) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_unavailable"


async def test_a_dead_fund_is_not_hit_twice_as_hard(fund: Fund, url: str) -> None:
    fund.statuses = [503]
    async with opened(Upstream("fund", url), breaker=Breaker("acme", "fund", after=1000)) as upstream:
        await asyncio.gather(*(reason_of(upstream.get("/")) for _ in range(100)))
    assert len(fund.received) <= 100 + 10 + 100 // 10
