"""Tests of requests to an upstream: path, query, headers, bodies, and the limit on simultaneous requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from bouquet_mesh.listen import listening
from bouquet_worker import Answer, Upstream, UpstreamClient, WorkerSettings
from tests.kit.upstream.fake_upstream import FakeUpstream, error_of
from tests.support.upstream_client import open_upstream


async def test_values_in_a_path_are_percent_encoded(fake: FakeUpstream, upstream: UpstreamClient) -> None:
    await upstream.get("/boursier/{ine}", path={"ine": "a/b c?é%"})
    assert fake.last[1] == "/boursier/a%2Fb%20c%3F%C3%A9%25"


@pytest.mark.parametrize("value", ["", ".", ".."])
async def test_a_value_that_would_lead_to_another_path_is_not_sent(
    fake: FakeUpstream, upstream: UpstreamClient, value: str
) -> None:
    error = await error_of(upstream.get("/boursier/{ine}", path={"ine": value}))
    assert (error.reason, error.field) == ("malformed_request", "ine")
    assert not fake.received


async def test_query_parameters_that_are_none_are_left_out(fake: FakeUpstream, upstream: UpstreamClient) -> None:
    await upstream.get("/qf", params={"nomUsage": None, "listePrenoms": "ANNE MARIE", "mois": 3, "codes": ["1", "2"]})
    assert fake.last[1] == "/qf?listePrenoms=ANNE+MARIE&mois=3&codes=1&codes=2"


async def test_a_base_url_may_be_the_whole_url(fake: FakeUpstream, url: str) -> None:
    async with open_upstream(Upstream("api", f"{url}/hub/qf/")) as upstream:
        await upstream.get(params={"genre": "F"})
    assert fake.last[1] == "/hub/qf/?genre=F"


@pytest.mark.parametrize(
    ("request_", "received"),
    [
        (lambda api: api.get("/fc", json={"nom": "É"}), ("GET", "/fc", "application/json", '{"nom":"É"}'.encode())),
        (lambda api: api.post("/s", json=[]), ("POST", "/s", "application/json", b"[]")),
        (lambda api: api.post("/s", data="azerty"), ("POST", "/s", "", b"azerty")),
        (
            lambda api: api.post("/s", data="azerty", headers={"content-type": "application/json"}),
            ("POST", "/s", "application/json", b"azerty"),
        ),
        (
            lambda api: api.post("/s", data={"a": "é b"}),
            ("POST", "/s", "application/x-www-form-urlencoded", b"a=%C3%A9+b"),
        ),
        (lambda api: api.post("/s"), ("POST", "/s", "", b"")),
    ],
    ids=["json-on-get", "json", "bare-text", "bare-text-called-json", "form", "nothing"],
)
async def test_bodies_are_sent_in_the_form_that_the_author_gives(
    fake: FakeUpstream,
    upstream: UpstreamClient,
    request_: Callable[[UpstreamClient], Awaitable[Answer]],
    received: object,
) -> None:
    await request_(upstream)
    assert fake.last == received


async def test_headers_of_a_call_take_precedence_over_those_of_the_upstream(fake: FakeUpstream, url: str) -> None:
    async with open_upstream(Upstream("api", url, headers={"Accept": "text/xml", "X-App": "bouquet"})) as upstream:
        await upstream.get("/", headers={"accept": "application/json"})
    headers = fake.received[-1].headers
    assert (headers.getall("Accept"), headers["X-App"]) == (["application/json"], "bouquet")


async def test_cookies_of_an_upstream_are_not_kept(fake: FakeUpstream, url: str) -> None:
    fake.headers = {"Set-Cookie": "session=1; Path=/"}
    async with open_upstream(
        Upstream("api", url.replace("127.0.0.1", "localhost"))
    ) as upstream:  # an address has no cookies anyway
        await upstream.get("/")
        await upstream.get("/")
    assert "Cookie" not in fake.received[-1].headers


async def test_calls_at_a_time_are_limited_to_the_concurrency(fake: FakeUpstream, url: str) -> None:
    inside = most = 0
    pairs = asyncio.Barrier(2)

    async def count(request: web.Request) -> web.Response:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await pairs.wait()
        await asyncio.sleep(0.01)  # for a third call, if there were one
        inside -= 1
        return web.Response()

    app = web.Application()
    app.router.add_get("/", count)
    async with (
        listening(app, "127.0.0.1", 0) as limited,
        open_upstream(Upstream("api", limited), WorkerSettings(concurrency=2)) as upstream,
    ):
        await asyncio.gather(*(upstream.get("/") for _ in range(6)))
    assert most == 2
