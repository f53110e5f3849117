"""Tests that every wait for an upstream ends by the request's deadline."""

from __future__ import annotations

import asyncio

import pytest

from bouquet_proto.deadline import Deadline
from bouquet_worker import Upstream, UpstreamClient, deadline
from bouquet_worker.deadline import REPLY_MARGIN_S, within
from tests.kit.upstream.fake_upstream import FakeUpstream, reason_of
from tests.support import raw_http_server as servers
from tests.support.clock import deadlines_standing_still
from tests.support.upstream_client import open_upstream
from tests.support.waiting import TEST_TIMEOUT_S


async def test_a_call_ends_before_the_deadline_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "REPLY_MARGIN_S", 30.0)
    async with (
        servers.raw_server(servers.say_nothing) as server,
        open_upstream(Upstream("api", server.url, timeout_s=3600)) as upstream,
    ):
        with deadlines_standing_still():
            own = Deadline.after(30.5)
            with within(own):
                assert await reason_of(upstream.get("/")) == "upstream_timeout"
        assert own.left_s() > 0


async def test_a_call_after_the_deadline_is_not_sent(fake: FakeUpstream, upstream: UpstreamClient) -> None:
    with within(Deadline.after(REPLY_MARGIN_S / 2)):
        assert await reason_of(upstream.get("/")) == "deadline_exceeded"
    assert fake.received == []


async def test_a_cancelled_call_closes_its_connection() -> None:
    asked, hung_up = asyncio.Event(), asyncio.Event()

    async def watch(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        hung_up.set()

    async with servers.raw_server(watch) as server, open_upstream(Upstream("api", server.url)) as upstream:
        call = asyncio.create_task(upstream.get("/"))
        await asked.wait()
        call.cancel()
        async with asyncio.timeout(TEST_TIMEOUT_S):
            await hung_up.wait()
    assert call.cancelled()
