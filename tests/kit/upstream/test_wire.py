"""What an upstream is sent, and on how many connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from bouquet_mesh.listen import listening
from bouquet_worker import Answer, Upstream, UpstreamClient, WorkerSettings
from tests.kit.upstream.fund import Fund, error_of
from tests.support.upstream_client import opened


async def test_values_in_a_path_are_percent_encoded(fund: Fund, upstream: UpstreamClient) -> None:
    await upstream.get("/boursier/{ine}", path={"ine": "a/b c?é%"})
    assert fund.last[1] == "/boursier/a%2Fb%20c%3F%C3%A9%25"


@pytest.mark.parametrize("value", ["", ".", ".."])
async def test_a_value_that_would_lead_to_another_path_is_not_sent(
    fund: Fund, upstream: UpstreamClient, value: str
) -> None:
    error = await error_of(upstream.get("/boursier/{ine}", path={"ine": value}))
    assert (error.reason, error.field) == ("malformed_request", "ine")
    assert not fund.received


async def test_absent_parameters_are_left_out(fund: Fund, upstream: UpstreamClient) -> None:
    await upstream.get("/qf", params={"nomUsage": None, "listePrenoms": "ANNE MARIE", "mois": 3, "codes": ["1", "2"]})
    assert fund.last[1] == "/qf?listePrenoms=ANNE+MARIE&mois=3&codes=1&codes=2"


async def test_a_base_url_may_be_the_whole_url(fund: Fund, url: str) -> None:
    async with opened(Upstream("fund", f"{url}/hub/qf/")) as upstream:
        await upstream.get(params={"genre": "F"})
    assert fund.last[1] == "/hub/qf/?genre=F"


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
async def test_bodies_go_as_they_are_given(
    fund: Fund, upstream: UpstreamClient, request_: Callable[[UpstreamClient], Awaitable[Answer]], received: object
) -> None:
    await request_(upstream)
    assert fund.last == received


async def test_headers_of_a_call_win_over_those_of_the_upstream(fund: Fund, url: str) -> None:
    async with opened(Upstream("fund", url, headers={"Accept": "text/xml", "X-App": "bouquet"})) as upstream:
        await upstream.get("/", headers={"accept": "application/json"})
    headers = fund.received[-1].headers
    assert (headers.getall("Accept"), headers["X-App"]) == (["application/json"], "bouquet")


async def test_cookies_are_not_kept(fund: Fund, url: str) -> None:
    fund.headers = {"Set-Cookie": "session=1; Path=/"}
    async with opened(
        Upstream("fund", url.replace("127.0.0.1", "localhost"))
    ) as upstream:  # an address has no cookies anyway
        await upstream.get("/")
        await upstream.get("/")
    assert "Cookie" not in fund.received[-1].headers


async def test_connections_are_limited(fund: Fund, url: str) -> None:
    inside = most = 0

    async def count(request: web.Request) -> web.Response:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1
        return web.Response()

    app = web.Application()
    app.router.add_get("/", count)
    async with (
        listening(app, "127.0.0.1", 0) as limited,
        opened(Upstream("fund", limited), WorkerSettings(concurrency=2)) as upstream,
    ):
        await asyncio.gather(*(upstream.get("/") for _ in range(6)))
    assert most == 2
