"""Tests of authentication at an upstream, with a token endpoint over HTTP."""

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
from bouquet_worker.deadline import REPLY_MARGIN_S, within
from bouquet_worker.errors import UpstreamError
from tests.support.clock import Clock, deadlines_standing_still
from tests.support.spans import recorded_spans, span_text
from tests.support.upstream_client import open_upstream
from tests.support.waiting import TEST_TIMEOUT_S

SECRET = Secret("s3cr3t???")
Style: TypeAlias = Callable[[str], ClientCredentials]


class TokenServer:
    """Fake upstream with a token endpoint and an API. `answer_token` makes the token endpoint's response, and `accepts`
    decides whether the API accepts the value of an `Authorization` header."""

    def __init__(self) -> None:
        self.token_requests: list[tuple[dict[str, str], str]] = []
        self.authorizations: list[str] = []
        self.answer_token: Callable[[], web.Response | Awaitable[web.Response]] = self.issue
        self.accepts: Callable[[str], bool] = lambda _: True

    def issue(self, expires_in: object = 3600) -> web.Response:
        return web.json_response({"access_token": f"token-{len(self.token_requests)}", "expires_in": expires_in})

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post("/token", self._token), web.get("/data", self._data)])
        return app

    async def _token(self, request: web.Request) -> web.Response:
        self.token_requests.append((dict(request.headers), await request.text()))
        answer = self.answer_token()
        return answer if isinstance(answer, web.Response) else await answer

    async def _data(self, request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "")
        self.authorizations.append(shown)
        return web.json_response({}, status=200 if self.accepts(shown) else 401)


@pytest.fixture
def server() -> TokenServer:
    return TokenServer()


@pytest.fixture
async def url(server: TokenServer) -> AsyncIterator[str]:
    async with listening(server.app(), "127.0.0.1", 0) as url:
        yield url


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
async def upstream(url: str, clock: Clock) -> AsyncIterator[UpstreamClient]:
    credentials = ClientCredentials(f"{url}/token", "mesh-qf", SECRET, clock=clock)
    async with open_upstream(Upstream("api", url, auth=credentials, timeout_s=TEST_TIMEOUT_S)) as upstream:
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
async def test_each_style_of_credentials_is_sent_as_its_provider_wants(
    server: TokenServer, url: str, make: Style, authorization: str, form: str
) -> None:
    async with open_upstream(Upstream("api", url, auth=make(f"{url}/token"))) as upstream:
        await upstream.get("/data")
    [(headers, body)] = server.token_requests
    assert (headers.get("Authorization", ""), body) == (authorization, form)


async def test_a_token_request_with_an_empty_body_has_no_content_type(server: TokenServer, url: str) -> None:
    async with open_upstream(
        Upstream("api", url, auth=ClientCredentials(f"{url}/token", "id", SECRET, form=None))
    ) as upstream:
        await upstream.get("/data")
    [(headers, _)] = server.token_requests
    assert (headers.get("Content-Type"), headers["Accept"]) == (None, "application/json")


async def test_a_token_serves_many_calls(server: TokenServer, upstream: UpstreamClient) -> None:
    await upstream.get("/data")
    await upstream.get("/data")
    assert server.authorizations == ["Bearer token-1", "Bearer token-1"]


async def test_a_token_is_renewed_ten_seconds_before_it_expires(
    server: TokenServer, upstream: UpstreamClient, clock: Clock
) -> None:
    await upstream.get("/data")
    clock.now += 3589.9
    await upstream.get("/data")
    clock.now += 0.1
    await upstream.get("/data")
    assert server.authorizations == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize("expires_in", [0, 9, None])
async def test_a_short_lived_token_serves_one_call(
    server: TokenServer, upstream: UpstreamClient, expires_in: int | None
) -> None:
    server.answer_token = lambda: server.issue(expires_in)
    await upstream.get("/data")
    await upstream.get("/data")
    assert server.authorizations == ["Bearer token-1", "Bearer token-2"]


async def test_a_token_s_lifetime_written_as_text_is_read(server: TokenServer, upstream: UpstreamClient) -> None:
    server.answer_token = lambda: server.issue("3600")
    await upstream.get("/data")
    await upstream.get("/data")
    assert len(server.token_requests) == 1


async def test_calls_at_the_same_time_request_one_token(server: TokenServer, upstream: UpstreamClient) -> None:
    await asyncio.gather(*(upstream.get("/data") for _ in range(10)))
    assert server.authorizations == ["Bearer token-1"] * 10
    assert len(server.token_requests) == 1


async def test_a_cancelled_call_does_not_cancel_the_token_request_for_the_others(
    server: TokenServer, upstream: UpstreamClient
) -> None:
    asked, slow = asyncio.Event(), asyncio.Event()

    async def issue_slowly() -> web.Response:
        asked.set()
        await slow.wait()
        return server.issue()

    server.answer_token = issue_slowly
    leaver = asyncio.create_task(upstream.get("/data"))
    await asked.wait()
    stayer = asyncio.create_task(upstream.get("/data"))
    leaver.cancel()
    slow.set()
    await stayer
    assert server.authorizations == ["Bearer token-2"]


async def test_a_token_endpoint_that_answers_html_is_asked_five_times(
    server: TokenServer, upstream: UpstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "ATTEMPT_PAUSE_S", 0)
    server.answer_token = lambda: web.Response(text="<html>", content_type="text/html")
    assert await reason_of(upstream.get("/data")) == "upstream_unknown"
    assert len(server.token_requests) == 5


async def test_a_token_endpoint_that_answers_html_once_is_asked_again(
    server: TokenServer, upstream: UpstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "ATTEMPT_PAUSE_S", 0)
    server.answer_token = lambda: web.Response(text="<html>") if len(server.token_requests) == 1 else server.issue()
    await upstream.get("/data")
    assert server.authorizations == ["Bearer token-2"]


@pytest.mark.parametrize("answer", ["{}", '{"access_token": ""}', '{"access_token": null}', "[]", '"token"'])
async def test_a_token_endpoint_that_answers_json_without_a_token_is_not_asked_again(
    server: TokenServer, upstream: UpstreamClient, answer: str
) -> None:
    server.answer_token = lambda: web.Response(text=answer)
    assert await reason_of(upstream.get("/data")) == "upstream_unknown"
    assert len(server.token_requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_refused_credentials_are_a_typed_failure(
    server: TokenServer, upstream: UpstreamClient, status: int
) -> None:
    server.answer_token = lambda: web.Response(status=status, text="<html>")
    assert await reason_of(upstream.get("/data")) == "upstream_unknown"
    assert server.authorizations == []


async def test_refused_credentials_are_sent_once_a_second_at_most(
    server: TokenServer, upstream: UpstreamClient, clock: Clock
) -> None:
    server.answer_token = lambda: web.Response(status=401)
    reasons = await asyncio.gather(*(reason_of(upstream.get("/data")) for _ in range(10)))
    assert set(reasons) == {"upstream_unknown"}
    assert len(server.token_requests) == 1
    clock.now += auth.REFUSED_PAUSE_S
    await reason_of(upstream.get("/data"))
    assert len(server.token_requests) == 2


async def test_a_redirect_of_the_token_endpoint_is_a_failure(server: TokenServer, upstream: UpstreamClient) -> None:
    server.answer_token = lambda: web.Response(status=302, headers={"Location": "/data"})
    assert await reason_of(upstream.get("/data")) == "upstream_redirected"
    assert server.authorizations == []


async def test_a_silent_token_endpoint_ends_with_the_deadline(server: TokenServer, upstream: UpstreamClient) -> None:
    never = asyncio.Event()

    async def say_nothing() -> web.Response:
        await never.wait()
        return web.Response()

    server.answer_token = say_nothing
    with deadlines_standing_still(), within(Deadline.after(REPLY_MARGIN_S + 0.5)):
        reasons = await asyncio.gather(*(reason_of(upstream.get("/data")) for _ in range(3)))
    never.set()
    assert reasons == ["upstream_timeout"] * 3


async def test_a_revoked_token_is_renewed_once(server: TokenServer, upstream: UpstreamClient) -> None:
    await upstream.get("/data")
    server.accepts = lambda shown: shown != "Bearer token-1"
    answer = await upstream.get("/data")
    assert answer.status == 200
    assert server.authorizations[1:] == ["Bearer token-1", "Bearer token-2"]


async def test_a_late_refusal_of_an_old_token_leaves_the_new_one(server: TokenServer, url: str) -> None:
    credentials = ClientCredentials(f"{url}/token", "id", SECRET)
    async with open_upstream(Upstream("api", url, auth=credentials)) as upstream:
        await upstream.get("/data")
        credentials.forget({"Authorization": "Bearer token-0"})
        await upstream.get("/data")
    assert server.authorizations == ["Bearer token-1", "Bearer token-1"]


async def test_calls_refused_together_renew_the_token_once(server: TokenServer, upstream: UpstreamClient) -> None:
    await upstream.get("/data")
    server.accepts = lambda shown: shown != "Bearer token-1"
    await asyncio.gather(*(upstream.get("/data") for _ in range(5)))
    assert len(server.token_requests) == 2


async def test_a_401_with_a_renewed_token_is_a_failure(server: TokenServer, upstream: UpstreamClient) -> None:
    server.accepts = lambda _: False
    assert await reason_of(upstream.get("/data")) == "upstream_unknown"
    assert server.authorizations == ["Bearer token-1", "Bearer token-2"]


async def test_an_api_that_refuses_every_token_does_not_cause_a_token_request_for_every_call(
    server: TokenServer, upstream: UpstreamClient
) -> None:
    server.accepts = lambda _: False
    for _ in range(40):
        await reason_of(upstream.get("/data"))
    assert len(server.token_requests) <= 1 + 10 + 40 // 10


async def test_a_call_with_a_fixed_key_is_not_retried_after_a_401(server: TokenServer, url: str) -> None:
    server.accepts = lambda _: False
    async with open_upstream(
        Upstream("api", url, auth=Bearer(Secret("key")), failures={401: "upstream_refused_us"})
    ) as upstream:
        assert await reason_of(upstream.get("/data")) == "upstream_refused_us"
    assert server.authorizations == ["Bearer key"]


async def test_a_401_is_an_answer_where_the_upstream_has_no_authentication(server: TokenServer, url: str) -> None:
    server.accepts = lambda _: False
    async with open_upstream(Upstream("api", url)) as upstream:
        assert (await upstream.get("/data")).status == 401


async def test_an_api_key_is_sent_in_its_header(server: TokenServer, url: str) -> None:
    async with open_upstream(Upstream("api", url, auth=ApiKey("Authorization", Secret("key")))) as upstream:
        await upstream.get("/data")
    assert server.authorizations == ["key"]


@pytest.mark.parametrize("answer", ['{"access_token": "t0ken", "expires_in": 3600}', '{"t0ken": "t0ken"}', "t0ken"])
async def test_no_log_span_or_error_holds_a_secret_or_a_token(
    server: TokenServer,
    upstream: UpstreamClient,
    answer: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auth, "ATTEMPT_PAUSE_S", 0)
    server.answer_token = lambda: web.Response(text=answer)
    server.accepts = lambda _: False
    with caplog.at_level(logging.DEBUG), recorded_spans() as spans:
        with pytest.raises(UpstreamError) as raised:
            await upstream.get("/data")
        raised.value.log()
    records = [repr(vars(record)) for record in caplog.records]
    seen = "".join([*records, *map(span_text, spans.get_finished_spans()), repr(raised.value), repr(vars(upstream))])
    assert [secret for secret in ("s3cr3t", "t0ken", "bWVzaC1xZjp") if secret in seen] == []
