"""One provider's API as authors ask it, against real servers."""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from msgspec import Struct
from opentelemetry.trace import SpanKind
from prometheus_client import REGISTRY, generate_latest

from bouquet_proto.deadline import Deadline
from bouquet_proto.settings import Secret
from bouquet_worker import transport
from bouquet_worker.auth import Bearer
from bouquet_worker.breaker import Breaker
from bouquet_worker.deadline import HOMEWARD_S, within
from bouquet_worker.simulate import listening
from bouquet_worker.trouble import Trouble
from bouquet_worker.upstream import Answer, Upstream
from tests.support import web as servers
from tests.support.spans import recorded, text_of


class Fund:
    """An API that keeps what it received and answers its `statuses` one after the other, the last for ever."""

    def __init__(self) -> None:
        self.received: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.statuses = [200]
        self.headers: dict[str, str] = {}
        self.text = "{}"
        self.pause_s = 0.0

    @property
    def last(self) -> tuple[str, str, str, bytes]:
        request = self.received[-1]
        return request.method, request.raw_path, request.headers.get("Content-Type", ""), self.bodies[-1]

    async def answer(self, request: web.Request) -> web.Response:
        self.received.append(request)
        self.bodies.append(await request.read())
        await asyncio.sleep(self.pause_s)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, text=self.text, headers=self.headers)


@pytest.fixture
def fund() -> Fund:
    return Fund()


@pytest.fixture
async def url(fund: Fund) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", fund.answer)
    async with listening(app, "127.0.0.1", 0) as url:
        yield url


@pytest.fixture
async def upstream(url: str) -> AsyncIterator[Upstream]:
    async with Upstream("fund", url, timeout_s=5) as upstream:
        yield upstream


async def trouble_of(call: Awaitable[object]) -> Trouble:
    with pytest.raises(Trouble) as raised:
        await call
    return raised.value


async def reason_of(call: Awaitable[object]) -> str:
    return (await trouble_of(call)).reason


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


# The wire


async def test_values_in_a_path_are_percent_encoded(fund: Fund, upstream: Upstream) -> None:
    await upstream.get("/boursier/{ine}", path={"ine": "a/b c?é%"})
    assert fund.last[1] == "/boursier/a%2Fb%20c%3F%C3%A9%25"


@pytest.mark.parametrize("value", ["", ".", ".."])
async def test_a_value_that_would_lead_to_another_path_is_not_sent(fund: Fund, upstream: Upstream, value: str) -> None:
    trouble = await trouble_of(upstream.get("/boursier/{ine}", path={"ine": value}))
    assert (trouble.reason, trouble.field) == ("malformed_request", "ine")
    assert not fund.received


async def test_absent_parameters_are_left_out(fund: Fund, upstream: Upstream) -> None:
    await upstream.get("/qf", params={"nomUsage": None, "listePrenoms": "ANNE MARIE", "mois": 3, "codes": ["1", "2"]})
    assert fund.last[1] == "/qf?listePrenoms=ANNE+MARIE&mois=3&codes=1&codes=2"


async def test_a_base_url_may_be_the_whole_url(fund: Fund, url: str) -> None:
    async with Upstream("fund", f"{url}/hub/qf/") as upstream:
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
    fund: Fund, upstream: Upstream, request_: Callable[[Upstream], Awaitable[Answer]], received: object
) -> None:
    await request_(upstream)
    assert fund.last == received


async def test_headers_of_a_call_win_over_those_of_the_upstream(fund: Fund, url: str) -> None:
    async with Upstream("fund", url, headers={"Accept": "text/xml", "X-App": "bouquet"}) as upstream:
        await upstream.get("/", headers={"accept": "application/json"})
    headers = fund.received[-1].headers
    assert (headers.getall("Accept"), headers["X-App"]) == (["application/json"], "bouquet")


async def test_cookies_are_not_kept(fund: Fund, url: str) -> None:
    fund.headers = {"Set-Cookie": "session=1; Path=/"}
    async with Upstream("fund", url.replace("127.0.0.1", "localhost")) as upstream:  # an address has no cookies anyway
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
    async with listening(app, "127.0.0.1", 0) as limited, Upstream("fund", limited, concurrency=2) as upstream:
        await asyncio.gather(*(upstream.get("/") for _ in range(6)))
    assert most == 2


# Answers


@pytest.mark.parametrize("status", [200, 204, 400, 404, 409, 429, 500])
async def test_a_status_that_nobody_named_is_an_answer(fund: Fund, upstream: Upstream, status: int) -> None:
    fund.statuses = [status]
    assert (await upstream.get("/")).status == status


async def test_header_names_have_no_case(fund: Fund, upstream: Upstream) -> None:
    fund.headers = {"X-APISECU-FD": "00810011"}
    assert (await upstream.get("/")).headers["x-apisecu-fd"] == "00810011"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (301, "upstream_redirected"),
        (302, "upstream_redirected"),
        (303, "upstream_redirected"),
        (307, "upstream_redirected"),
        (308, "upstream_redirected"),
        (502, "upstream_unavailable"),
        (503, "upstream_unavailable"),
        (504, "upstream_timeout"),
    ],
)
async def test_some_statuses_fail_alike_for_everybody(fund: Fund, upstream: Upstream, status: int, reason: str) -> None:
    fund.statuses = [status]
    fund.headers = {"Location": "/elsewhere"}
    assert await reason_of(upstream.post("/")) == reason
    assert len(fund.received) == 1


async def test_an_author_names_other_failures(fund: Fund, url: str) -> None:
    fund.statuses = [429]
    async with Upstream("fund", url, failures={429: "upstream_rate_limited"}) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_rate_limited"


class Child(Struct):
    prenom: str


class Household(Struct, rename="camel"):
    quotient_familial: int
    enfants: list[Child] = []
    par_annee: dict[str, int] = {}


def test_a_body_is_read_whatever_its_content_type() -> None:
    answer = Answer(200, {"Content-Type": "text/plain"}, b'{"quotientFamilial": 812, "inconnu": 1}')
    assert answer.decode(Household) == Household(812)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "$.quotientFamilial"),
        (b'{"quotientFamilial": "KERVALLAN"}', "$.quotientFamilial"),
        (b'{"quotientFamilial": 1, "enfants": [{"prenom": "MALO"}, {}]}', "$.enfants[1].prenom"),
        (b'{"quotientFamilial": 1, "parAnnee": {"KERVALLAN": "x"}}', "$.parAnnee[...]"),
        (b"<html>KERVALLAN</html>", "$"),
        (b'{"quotientFamilial": "KERV', "$"),
        (b'{"quotientFamilial": 1, "enfants": [{"prenom": "\xff"}]}', "$"),
        (b"[" * 100_000, "$"),
        (b"", "$"),
    ],
)
def test_what_cannot_be_read_is_told_by_field_and_never_by_value(body: bytes, field: str) -> None:
    with pytest.raises(Trouble) as raised:
        Answer(200, {}, body).decode(Household)
    assert (raised.value.reason, raised.value.field) == ("upstream_malformed", field)
    assert raised.value.__suppress_context__
    assert str(raised.value) == f"upstream_malformed: {field}"


def test_an_answer_does_not_show_its_body() -> None:
    assert repr(Answer(200, {"Set-Cookie": "KERVALLAN"}, b"KERVALLAN")) == "Answer(200)"


# Transport


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (servers.hang_up, "upstream_timeout"),
        (servers.stop_halfway, "upstream_timeout"),
        (servers.say_nothing, "upstream_timeout"),
        (servers.trickle, "upstream_timeout"),
        (servers.reset, "upstream_unavailable"),
        (servers.talk_nonsense, "upstream_malformed"),
    ],
)
async def test_a_broken_exchange_has_a_reason(behave: servers.Connection, reason: str) -> None:
    async with servers.raw_server(behave) as server, Upstream("fund", server.url, timeout_s=0.2) as upstream:
        assert await reason_of(upstream.post("/")) == reason


async def test_nobody_listening_is_unavailable() -> None:
    async with Upstream("fund", f"http://127.0.0.1:{servers.free_port()}") as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_unavailable"


async def test_an_unknown_host_is_unresolved() -> None:
    async with Upstream("fund", "http://fund.invalid") as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_unresolved"


async def test_a_body_beyond_the_limit_is_not_read(fund: Fund, url: str) -> None:
    fund.text = "x" * 101
    async with Upstream("fund", url, max_body_bytes=100) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_malformed"


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    tls = servers.Identity(tmp_path, "fund").server()
    async with servers.raw_server(servers.answer, tls) as server, Upstream("fund", server.url) as upstream:
        trouble = await trouble_of(upstream.get("/"))
        assert server.requests == 0
    assert (trouble.reason, trouble.cause) == ("upstream_certificate", "CERTIFICATE_VERIFY_FAILED")


async def test_our_certificate_is_shown(tmp_path: Path) -> None:
    fund, ours = servers.Identity(tmp_path, "fund"), servers.Identity(tmp_path, "ours")
    tls = fund.server(trusting=ours)
    async with (
        servers.raw_server(servers.answer, tls) as server,
        Upstream("fund", server.url, ssl=ours.client(trusting=fund)) as upstream,
    ):
        assert (await upstream.get("/")).status == 200


async def test_a_certificate_of_ours_that_is_refused_is_an_unavailable_upstream(tmp_path: Path) -> None:
    fund, ours, other = (servers.Identity(tmp_path, name) for name in ("fund", "ours", "other"))
    tls = fund.server(trusting=other)
    tls.maximum_version = ssl.TLSVersion.TLSv1_2  # with 1.3, asyncio's server hangs up without a word
    async with (
        servers.raw_server(servers.answer, tls) as server,
        Upstream("fund", server.url, ssl=ours.client(trusting=fund)) as upstream,
    ):
        assert await reason_of(upstream.get("/")) == "upstream_unavailable"


# Deadlines


async def test_a_wait_ends_before_the_deadline_of_the_request() -> None:
    async with servers.raw_server(servers.say_nothing) as server, Upstream("fund", server.url) as upstream:
        began = time.monotonic()
        with within(Deadline.after(HOMEWARD_S + 0.1)):
            assert await reason_of(upstream.get("/")) == "upstream_timeout"
        assert time.monotonic() - began < HOMEWARD_S + 0.1


async def test_what_is_late_already_is_not_sent(fund: Fund, upstream: Upstream) -> None:
    with within(Deadline.after(HOMEWARD_S / 2)):
        assert await reason_of(upstream.get("/")) == "deadline_exceeded"
    assert fund.received == []


async def test_a_cancelled_call_hangs_up() -> None:
    asked, hung_up = asyncio.Event(), asyncio.Event()

    async def watch(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        hung_up.set()

    async with servers.raw_server(watch) as server, Upstream("fund", server.url) as upstream:
        call = asyncio.create_task(upstream.get("/"))
        await asked.wait()
        call.cancel()
        async with asyncio.timeout(1):
            await hung_up.wait()
    assert call.cancelled()


# Repeats


async def test_a_read_is_repeated_once(fund: Fund, upstream: Upstream) -> None:
    fund.statuses = [503, 200]
    assert (await upstream.get("/")).status == 200


async def test_a_read_is_not_repeated_twice(fund: Fund, upstream: Upstream) -> None:
    fund.statuses = [503]
    assert await reason_of(upstream.get("/")) == "upstream_unavailable"
    assert len(fund.received) == 2


async def test_a_post_is_not_repeated(fund: Fund, upstream: Upstream) -> None:
    fund.statuses = [503, 200]
    assert await reason_of(upstream.post("/")) == "upstream_unavailable"


async def test_a_post_that_only_reads_is_repeated(fund: Fund, upstream: Upstream) -> None:
    fund.statuses = [503, 200]
    assert (await upstream.post("/", idempotent=True)).status == 200


async def test_a_failure_that_will_not_pass_is_not_repeated(fund: Fund, url: str) -> None:
    fund.statuses = [500]
    async with Upstream("fund", url, failures={500: "upstream_internal"}) as upstream:
        await reason_of(upstream.get("/"))
    assert len(fund.received) == 1


@pytest.mark.parametrize("behave", [servers.say_nothing, servers.hang_up])
async def test_a_timeout_is_not_repeated(behave: servers.Connection) -> None:
    async with servers.raw_server(behave) as server, Upstream("fund", server.url, timeout_s=0.2) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_timeout"
        assert server.requests == 1


async def test_a_reset_is_repeated_by_us_alone() -> None:
    async with servers.raw_server(servers.reset) as server, Upstream("fund", server.url) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_unavailable"
        assert server.requests == 2


async def test_a_slow_failure_is_not_repeated(fund: Fund, url: str) -> None:
    fund.statuses, fund.pause_s = [503, 200], 0.2
    async with Upstream("fund", url, timeout_s=0.3) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_unavailable"


async def test_a_dead_fund_is_not_hit_twice_as_hard(fund: Fund, url: str) -> None:
    fund.statuses = [503]
    async with Upstream("fund", url, breaker=Breaker("fund", after=1000)) as upstream:
        await asyncio.gather(*(reason_of(upstream.get("/")) for _ in range(100)))
    assert len(fund.received) <= 100 + 10 + 100 // 10


# The breaker


async def test_a_fund_that_stays_silent_is_left_alone() -> None:
    breaker = Breaker("fund", after=2)
    async with (
        servers.raw_server(servers.say_nothing) as server,
        Upstream("fund", server.url, timeout_s=0.1, breaker=breaker) as upstream,
    ):
        reasons = [await reason_of(upstream.get("/")) for _ in range(4)]
        assert server.requests == 2
    assert reasons == ["upstream_timeout", "upstream_timeout", "breaker_open", "breaker_open"]


async def test_requests_in_a_hurry_do_not_shut_a_fund_out() -> None:
    breaker = Breaker("fund", after=1)
    async with (
        servers.raw_server(servers.say_nothing) as server,
        Upstream("fund", server.url, timeout_s=5, breaker=breaker) as upstream,
    ):
        with within(Deadline.after(HOMEWARD_S + 0.1)):
            await reason_of(upstream.get("/"))
        with within(Deadline.after(HOMEWARD_S + 0.1)):
            assert await reason_of(upstream.get("/")) == "upstream_timeout"


# The quota


async def test_a_fund_is_not_asked_more_than_its_contract_allows(fund: Fund, url: str) -> None:
    async with Upstream("fund", url, calls_per_minute=3) as upstream:
        for _ in range(3):
            await upstream.get("/")
        troubles = [await trouble_of(upstream.get("/")) for _ in range(5)]
    assert len(fund.received) == 3
    assert {(trouble.reason, trouble.retry_in_s) for trouble in troubles} == {("quota_spent", 60)}


async def test_a_repeat_is_a_call_like_another(fund: Fund, url: str) -> None:
    fund.statuses = [503]
    async with Upstream("fund", url, calls_per_minute=1) as upstream:
        assert await reason_of(upstream.get("/")) == "upstream_unavailable"
    assert len(fund.received) == 1


async def test_an_open_breaker_takes_no_turn(fund: Fund, url: str) -> None:
    fund.statuses = [503, 200]
    now = [0.0]
    breaker = Breaker("fund", after=1, open_s=5.0, clock=lambda: now[0])
    async with Upstream("fund", url, calls_per_minute=2, breaker=breaker) as upstream:
        await reason_of(upstream.post("/"))
        assert {await reason_of(upstream.post("/")) for _ in range(10)} == {"breaker_open"}
        now[0] = 10.0
        assert (await upstream.post("/")).status == 200


async def test_a_spent_quota_is_not_the_fund_s_silence(fund: Fund, url: str) -> None:
    breaker = Breaker("fund", after=1)
    async with Upstream("fund", url, calls_per_minute=1, breaker=breaker) as upstream:
        await upstream.get("/")
        reasons = [await reason_of(upstream.get("/")) for _ in range(3)]
    assert reasons == ["quota_spent"] * 3
    breaker.check()


# What is seen of it


async def test_a_span_tells_the_route_and_the_status(fund: Fund, url: str) -> None:
    fund.statuses = [404]
    with recorded() as spans:
        async with Upstream("fund", f"{url}/v1") as upstream:
            await upstream.get("/boursier/{ine}", path={"ine": "1234567890G"})
    [span] = spans.get_finished_spans()
    assert (span.name, span.kind) == ("GET /v1/boursier/{ine}", SpanKind.CLIENT)
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": int(url.rpartition(":")[2]),
        "url.template": "/v1/boursier/{ine}",
        "http.response.status_code": 404,
    }


async def test_the_trace_goes_on_in_the_upstream(fund: Fund, upstream: Upstream) -> None:
    with recorded() as spans:
        await upstream.get("/")
    [span] = spans.get_finished_spans()
    assert span.context is not None
    parent = f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-"
    assert fund.received[-1].headers["traceparent"].startswith(parent)


async def test_calls_are_counted_by_route_and_outcome(fund: Fund, url: str) -> None:
    fund.statuses = [404, 503, 500]
    async with Upstream("counted", url, failures={500: "their_own"}) as upstream:
        await upstream.post("/{x}", path={"x": "1"})
        await reason_of(upstream.post("/{x}", path={"x": "2"}))
        await reason_of(upstream.post("/{x}", path={"x": "3"}))
    counts = [
        sample("bouquet_upstream_calls_total", provider="", upstream="counted", route="/{x}", outcome=outcome)
        for outcome in ("answered", "upstream_unavailable", "own")
    ]
    assert counts == [1, 1, 1]
    assert sample("bouquet_upstream_seconds_count", provider="", upstream="counted", route="/{x}") == 3


SECRETS = ("KERVALLAN", "1234567890G", "t0ken", "TREGUIDEL", "XYZZY")


@pytest.mark.parametrize("status", [200, 302, 404, 500, 503])
async def test_nobody_is_named_in_logs_spans_metrics_or_errors(
    fund: Fund, url: str, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    fund.statuses, fund.text = [status], '{"quotientFamilial": "TREGUIDEL"}'
    fund.headers = {"X-Echo": "XYZZY", "Location": "/XYZZY"}
    troubles = []

    async def ask(api: Upstream, **how: Any) -> None:
        try:
            (await api.get("/{ine}", path={"ine": "1234567890G"}, params={"nom": "KERVALLAN"}, **how)).decode(Household)
        except Trouble as trouble:
            trouble.log()
            troubles.append(repr(trouble))

    with caplog.at_level(logging.DEBUG), recorded() as spans:
        breaker = Breaker("fund", after=1)
        async with Upstream("fund", url, auth=Bearer(Secret("t0ken")), breaker=breaker) as upstream:
            await ask(upstream)
            await ask(upstream, json={"nom": "KERVALLAN"})
    seen = "".join(
        [
            *(repr(vars(record)) for record in caplog.records),
            *map(text_of, spans.get_finished_spans()),
            *troubles,
            generate_latest().decode(),
        ]
    )
    assert troubles
    assert [secret for secret in SECRETS if secret in seen] == []


async def test_an_open_breaker_does_not_speak_at_every_call(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        Trouble("breaker_open").log()
        Trouble("upstream_certificate", cause="ClientConnectorCertificateError").log()
    assert [(record.levelname, record.message) for record in caplog.records] == [("ERROR", "no proper answer")]


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENETUNREACH, "upstream_unreachable"), (errno.EHOSTUNREACH, "upstream_unavailable")],
)
def test_a_missing_network_is_not_the_funds_absence(number: int, reason: str) -> None:
    # No test may send to an address without a route: the translation alone is shown.
    assert transport.reason_of(OSError(number, "")) == reason
