"""Tests of calls refused before they reach an upstream: its circuit breaker is open, or its rate limit is reached."""

from __future__ import annotations

from functools import partial

import pytest

from bouquet_proto.deadline import Deadline
from bouquet_worker import Upstream, WorkerSettings
from bouquet_worker import upstream as client
from bouquet_worker.breaker import Breaker
from bouquet_worker.deadline import REPLY_MARGIN_S, within
from bouquet_worker.quota import Quota
from tests.kit.upstream.fake_upstream import FakeUpstream, error_of, reason_of
from tests.support import raw_http_server as servers
from tests.support.clock import Clock, deadlines_standing_still
from tests.support.upstream_client import open_upstream


async def test_timeouts_open_the_breaker_of_an_upstream() -> None:
    breaker = Breaker("acme", "api", after=2, open_s=3600)
    async with (
        servers.raw_server(servers.say_nothing) as server,
        open_upstream(Upstream("api", server.url, timeout_s=0.1), breaker=breaker) as upstream,
    ):
        reasons = [await reason_of(upstream.get("/")) for _ in range(4)]
        # On a busy machine the time limit may pass before the server has read the request.
        assert server.requests <= 2
    assert reasons == ["upstream_timeout", "upstream_timeout", "breaker_open", "breaker_open"]


async def test_timeouts_of_calls_with_little_time_do_not_open_the_breaker() -> None:
    breaker = Breaker("acme", "api", after=1)
    async with (
        servers.raw_server(servers.say_nothing) as server,
        open_upstream(Upstream("api", server.url, timeout_s=5), breaker=breaker) as upstream,
    ):
        with deadlines_standing_still(), within(Deadline.after(REPLY_MARGIN_S + 0.5)):
            assert [await reason_of(upstream.get("/")) for _ in range(2)] == ["upstream_timeout"] * 2


async def test_calls_beyond_the_rate_limit_are_refused_and_not_sent(
    fake: FakeUpstream, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "Quota", partial(Quota, clock=Clock(1000.0)))
    async with open_upstream(Upstream("api", url), WorkerSettings(upstream_calls_per_minute=3)) as upstream:
        for _ in range(3):
            await upstream.get("/")
        errors = [await error_of(upstream.get("/")) for _ in range(5)]
    assert len(fake.received) == 3
    assert {(error.reason, error.retry_in_s) for error in errors} == {("quota_spent", 60)}


async def test_a_retry_counts_for_the_rate_limit(fake: FakeUpstream, url: str) -> None:
    fake.statuses = [503]
    async with open_upstream(Upstream("api", url), WorkerSettings(upstream_calls_per_minute=1)) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_unavailable"
    assert len(fake.received) == 1


async def test_calls_that_an_open_breaker_refuses_take_no_slot(fake: FakeUpstream, url: str) -> None:
    fake.statuses = [503, 200]
    now = [0.0]
    breaker = Breaker("acme", "api", after=1, open_s=5.0, clock=lambda: now[0])
    async with open_upstream(
        Upstream("api", url), WorkerSettings(upstream_calls_per_minute=2), breaker=breaker
    ) as upstream:
        await reason_of(upstream.post("/"))
        assert {await reason_of(upstream.post("/")) for _ in range(10)} == {"breaker_open"}
        now[0] = 10.0
        assert (await upstream.post("/")).status == 200


async def test_calls_that_the_rate_limit_refuses_do_not_open_the_breaker(fake: FakeUpstream, url: str) -> None:
    breaker = Breaker("acme", "api", after=1)
    async with open_upstream(
        Upstream("api", url), WorkerSettings(upstream_calls_per_minute=1), breaker=breaker
    ) as upstream:
        await upstream.get("/")
        reasons = [await reason_of(upstream.get("/")) for _ in range(3)]
    assert reasons == ["quota_spent"] * 3
    breaker.check()
