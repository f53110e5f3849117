"""When an upstream is left alone: its breaker is open, its quota spent."""

from __future__ import annotations

from bouquet_proto.deadline import Deadline
from bouquet_worker import Upstream, WorkerSettings
from bouquet_worker.breaker import Breaker
from bouquet_worker.deadline import HOMEWARD_S, within
from tests.kit.upstream.fund import Fund, error_of, reason_of
from tests.support import raw_http_server as servers
from tests.support.upstream_client import opened


async def test_a_fund_that_stays_silent_is_left_alone() -> None:
    breaker = Breaker("acme", "fund", after=2)
    async with (
        servers.raw_server(servers.say_nothing) as server,
        opened(Upstream("fund", server.url, timeout_s=0.1), breaker=breaker) as upstream,
    ):
        reasons = [await reason_of(upstream.get("/")) for _ in range(4)]
        assert server.requests == 2
    assert reasons == ["upstream_timeout", "upstream_timeout", "breaker_open", "breaker_open"]


async def test_requests_in_a_hurry_do_not_shut_a_fund_out() -> None:
    breaker = Breaker("acme", "fund", after=1)
    async with (
        servers.raw_server(servers.say_nothing) as server,
        opened(Upstream("fund", server.url, timeout_s=5), breaker=breaker) as upstream,
    ):
        with within(Deadline.after(HOMEWARD_S + 0.1)):
            await reason_of(upstream.get("/"))
        with within(Deadline.after(HOMEWARD_S + 0.1)):
            assert await reason_of(upstream.get("/")) == "upstream_timeout"


async def test_a_fund_is_not_asked_more_than_its_contract_allows(fund: Fund, url: str) -> None:
    async with opened(Upstream("fund", url), WorkerSettings(upstream_calls_per_minute=3)) as upstream:
        for _ in range(3):
            await upstream.get("/")
        errors = [await error_of(upstream.get("/")) for _ in range(5)]
    assert len(fund.received) == 3
    assert {(error.reason, error.retry_in_s) for error in errors} == {("quota_spent", 60)}


async def test_a_repeat_is_a_call_like_another(fund: Fund, url: str) -> None:
    fund.statuses = [503]
    async with opened(Upstream("fund", url), WorkerSettings(upstream_calls_per_minute=1)) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_unavailable"
    assert len(fund.received) == 1


async def test_an_open_breaker_takes_no_turn(fund: Fund, url: str) -> None:
    fund.statuses = [503, 200]
    now = [0.0]
    breaker = Breaker("acme", "fund", after=1, open_s=5.0, clock=lambda: now[0])
    async with opened(Upstream("fund", url), WorkerSettings(upstream_calls_per_minute=2), breaker=breaker) as upstream:
        await reason_of(upstream.post("/"))
        assert {await reason_of(upstream.post("/")) for _ in range(10)} == {"breaker_open"}
        now[0] = 10.0
        assert (await upstream.post("/")).status == 200


async def test_a_spent_quota_is_not_the_fund_s_silence(fund: Fund, url: str) -> None:
    breaker = Breaker("acme", "fund", after=1)
    async with opened(Upstream("fund", url), WorkerSettings(upstream_calls_per_minute=1), breaker=breaker) as upstream:
        await upstream.get("/")
        reasons = [await reason_of(upstream.get("/")) for _ in range(3)]
    assert reasons == ["quota_spent"] * 3
    breaker.check()
