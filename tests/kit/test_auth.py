"""Tokens, against a real token endpoint."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import pytest
from aiohttp import web

from bouquet_mesh.listen import listening
from bouquet_mesh.secret import Secret
from bouquet_proto.deadline import Deadline
from bouquet_worker import Upstream, UpstreamClient, auth
from bouquet_worker.auth import ApiKey, Bearer, ClientCredentials
from bouquet_worker.deadline import HOMEWARD_S, within
from bouquet_worker.errors import UpstreamError
from tests.support.clock import Clock
from tests.support.spans import recorded, text_of
from tests.support.upstream_client import opened

SECRET = Secret("s3cr3t???")
Style: TypeAlias = Callable[[str], ClientCredentials]


class Desk:
    """A token endpoint and the API behind it. `tell` is what the endpoint does, `admitted` what the API lets in."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, str], str]] = []
        self.shown: list[str] = []
        self.tell: Callable[[], web.Response | Awaitable[web.Response]] = self.issue
        self.admitted: Callable[[str], bool] = lambda _: True

    def issue(self, expires_in: object = 3600) -> web.Response:
        return web.json_response({"access_token": f"token-{len(self.asked)}", "expires_in": expires_in})

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post("/token", self._token), web.get("/data", self._data)])
        return app

    async def _token(self, request: web.Request) -> web.Response:
        self.asked.append((dict(request.headers), await request.text()))
        told = self.tell()
        return told if isinstance(told, web.Response) else await told

    async def _data(self, request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "")
        self.shown.append(shown)
        return web.json_response({}, status=200 if self.admitted(shown) else 401)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def url(desk: Desk) -> AsyncIterator[str]:
    async with listening(desk.app(), "127.0.0.1", 0) as url:
        yield url


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
async def upstream(url: str, clock: Clock) -> AsyncIterator[UpstreamClient]:
    credentials = ClientCredentials(f"{url}/token", "mesh-qf", SECRET, clock=clock)
    async with opened(Upstream("fund", url, auth=credentials, timeout_s=5)) as upstream:
        yield upstream


async def reason_of(call: Awaitable[object]) -> str:
    with pytest.raises(UpstreamError) as raised:
        await call
    return raised.value.reason


@pytest.mark.parametrize(
    ("make", "authorization", "form"),
    [
        (
            lambda url: ClientCredentials(url, "mesh-qf", SECRET, style="basic_urlsafe", form={"scope": "a b"}),
            "Basic bWVzaC1xZjpzM2NyM3Q_Pz8=",
            "grant_type=client_credentials&scope=a+b",
        ),
        (
            lambda url: ClientCredentials(url, "mesh-qf", SECRET, form=None),
            "Basic bWVzaC1xZjpzM2NyM3Q/Pz8=",
            "",
        ),
        (
            lambda url: ClientCredentials(url, "mesh-qf", SECRET, style="body"),
            "",
            "client_id=mesh-qf&client_secret=s3cr3t%3F%3F%3F&grant_type=client_credentials",
        ),
    ],
    ids=["dss", "cnous", "men"],
)
async def test_each_style_asks_as_its_provider_wants(
    desk: Desk, url: str, make: Style, authorization: str, form: str
) -> None:
    async with opened(Upstream("fund", url, auth=make(f"{url}/token"))) as upstream:
        await upstream.get("/data")
    [(headers, body)] = desk.asked
    assert (headers.get("Authorization", ""), body) == (authorization, form)


async def test_an_empty_body_has_no_content_type(desk: Desk, url: str) -> None:
    async with opened(
        Upstream("fund", url, auth=ClientCredentials(f"{url}/token", "id", SECRET, form=None))
    ) as upstream:
        await upstream.get("/data")
    [(headers, _)] = desk.asked
    assert (headers.get("Content-Type"), headers["Accept"]) == (None, "application/json")


async def test_a_token_serves_many_calls(desk: Desk, upstream: UpstreamClient) -> None:
    await upstream.get("/data")
    await upstream.get("/data")
    assert desk.shown == ["Bearer token-1", "Bearer token-1"]


async def test_a_token_is_renewed_ten_seconds_early(desk: Desk, upstream: UpstreamClient, clock: Clock) -> None:
    await upstream.get("/data")
    clock.now += 3589.9
    await upstream.get("/data")
    clock.now += 0.1
    await upstream.get("/data")
    assert desk.shown == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize("expires_in", [0, 9, None])
async def test_a_short_lived_token_serves_one_call(
    desk: Desk, upstream: UpstreamClient, expires_in: int | None
) -> None:
    desk.tell = lambda: desk.issue(expires_in)
    await upstream.get("/data")
    await upstream.get("/data")
    assert desk.shown == ["Bearer token-1", "Bearer token-2"]


async def test_a_lifetime_written_as_text_is_read(desk: Desk, upstream: UpstreamClient) -> None:
    desk.tell = lambda: desk.issue("3600")
    await upstream.get("/data")
    await upstream.get("/data")
    assert len(desk.asked) == 1


async def test_calls_together_ask_for_one_token(desk: Desk, upstream: UpstreamClient) -> None:
    await asyncio.gather(*(upstream.get("/data") for _ in range(10)))
    assert desk.shown == ["Bearer token-1"] * 10
    assert len(desk.asked) == 1


async def test_a_caller_who_leaves_does_not_take_the_token_with_him(desk: Desk, upstream: UpstreamClient) -> None:
    asked, slow = asyncio.Event(), asyncio.Event()

    async def issue_slowly() -> web.Response:
        asked.set()
        await slow.wait()
        return desk.issue()

    desk.tell = issue_slowly
    leaver = asyncio.create_task(upstream.get("/data"))
    await asked.wait()
    stayer = asyncio.create_task(upstream.get("/data"))
    leaver.cancel()
    slow.set()
    await stayer
    assert desk.shown == ["Bearer token-2"]


async def test_html_is_asked_again_five_times(
    desk: Desk, upstream: UpstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "PAUSE_S", 0)
    desk.tell = lambda: web.Response(text="<html>", content_type="text/html")
    assert await reason_of(upstream.get("/data")) == "upstream_unknown"
    assert len(desk.asked) == 5


async def test_html_once_is_forgiven(desk: Desk, upstream: UpstreamClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "PAUSE_S", 0)
    desk.tell = lambda: web.Response(text="<html>") if len(desk.asked) == 1 else desk.issue()
    await upstream.get("/data")
    assert desk.shown == ["Bearer token-2"]


@pytest.mark.parametrize("told", ["{}", '{"access_token": ""}', '{"access_token": null}', "[]", '"token"'])
async def test_json_without_a_token_is_final(desk: Desk, upstream: UpstreamClient, told: str) -> None:
    desk.tell = lambda: web.Response(text=told)
    assert await reason_of(upstream.get("/data")) == "upstream_unknown"
    assert len(desk.asked) == 1


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_refused_credentials_are_a_typed_failure(desk: Desk, upstream: UpstreamClient, status: int) -> None:
    desk.tell = lambda: web.Response(status=status, text="<html>")
    assert await reason_of(upstream.get("/data")) == "upstream_unknown"
    assert desk.shown == []


async def test_refused_credentials_do_not_hammer_the_endpoint(
    desk: Desk, upstream: UpstreamClient, clock: Clock
) -> None:
    desk.tell = lambda: web.Response(status=401)
    reasons = await asyncio.gather(*(reason_of(upstream.get("/data")) for _ in range(10)))
    assert set(reasons) == {"upstream_unknown"}
    assert len(desk.asked) == 1
    clock.now += auth.REST_S
    await reason_of(upstream.get("/data"))
    assert len(desk.asked) == 2


async def test_a_redirect_of_the_token_endpoint_is_a_failure(desk: Desk, upstream: UpstreamClient) -> None:
    desk.tell = lambda: web.Response(status=302, headers={"Location": "/data"})
    assert await reason_of(upstream.get("/data")) == "upstream_redirected"
    assert desk.shown == []


async def test_a_silent_token_endpoint_ends_with_the_deadline(desk: Desk, upstream: UpstreamClient) -> None:
    never = asyncio.Event()

    async def say_nothing() -> web.Response:
        await never.wait()
        return web.Response()

    desk.tell = say_nothing
    with within(Deadline.after(HOMEWARD_S + 0.1)):
        reasons = await asyncio.gather(*(reason_of(upstream.get("/data")) for _ in range(3)))
    never.set()
    assert reasons == ["upstream_timeout"] * 3


async def test_a_revoked_token_is_renewed_once(desk: Desk, upstream: UpstreamClient) -> None:
    await upstream.get("/data")
    desk.admitted = lambda shown: shown != "Bearer token-1"
    answer = await upstream.get("/data")
    assert answer.status == 200
    assert desk.shown[1:] == ["Bearer token-1", "Bearer token-2"]


async def test_a_late_refusal_of_an_old_token_leaves_the_new_one(desk: Desk, url: str) -> None:
    credentials = ClientCredentials(f"{url}/token", "id", SECRET)
    async with opened(Upstream("fund", url, auth=credentials)) as upstream:
        await upstream.get("/data")
        credentials.forget({"Authorization": "Bearer token-0"})
        await upstream.get("/data")
    assert desk.shown == ["Bearer token-1", "Bearer token-1"]


async def test_calls_refused_together_renew_the_token_once(desk: Desk, upstream: UpstreamClient) -> None:
    await upstream.get("/data")
    desk.admitted = lambda shown: shown != "Bearer token-1"
    await asyncio.gather(*(upstream.get("/data") for _ in range(5)))
    assert len(desk.asked) == 2


async def test_a_second_401_is_a_failure(desk: Desk, upstream: UpstreamClient) -> None:
    desk.admitted = lambda _: False
    assert await reason_of(upstream.get("/data")) == "upstream_unknown"
    assert desk.shown == ["Bearer token-1", "Bearer token-2"]


async def test_an_api_that_refuses_every_token_does_not_drain_the_endpoint(
    desk: Desk, upstream: UpstreamClient
) -> None:
    desk.admitted = lambda _: False
    for _ in range(40):
        await reason_of(upstream.get("/data"))
    assert len(desk.asked) <= 1 + 10 + 40 // 10


async def test_a_401_of_a_static_key_is_not_tried_again(desk: Desk, url: str) -> None:
    desk.admitted = lambda _: False
    async with opened(
        Upstream("fund", url, auth=Bearer(Secret("key")), failures={401: "upstream_refused_us"})
    ) as upstream:
        assert await reason_of(upstream.get("/data")) == "upstream_refused_us"
    assert desk.shown == ["Bearer key"]


async def test_a_401_without_authentication_is_the_authors_to_read(desk: Desk, url: str) -> None:
    desk.admitted = lambda _: False
    async with opened(Upstream("fund", url)) as upstream:
        assert (await upstream.get("/data")).status == 401


async def test_a_key_goes_in_its_header(desk: Desk, url: str) -> None:
    async with opened(Upstream("fund", url, auth=ApiKey("Authorization", Secret("key")))) as upstream:
        await upstream.get("/data")
    assert desk.shown == ["key"]


@pytest.mark.parametrize("told", ['{"access_token": "t0ken", "expires_in": 3600}', '{"t0ken": "t0ken"}', "t0ken"])
async def test_neither_secret_nor_token_is_seen_anywhere(
    desk: Desk, upstream: UpstreamClient, told: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "PAUSE_S", 0)
    desk.tell = lambda: web.Response(text=told)
    desk.admitted = lambda _: False
    with caplog.at_level(logging.DEBUG), recorded() as spans:
        with pytest.raises(UpstreamError) as raised:
            await upstream.get("/data")
        raised.value.log()
    records = [repr(vars(record)) for record in caplog.records]
    seen = "".join([*records, *map(text_of, spans.get_finished_spans()), repr(raised.value), repr(vars(upstream))])
    assert [secret for secret in ("s3cr3t", "t0ken", "bWVzaC1xZjp") if secret in seen] == []
