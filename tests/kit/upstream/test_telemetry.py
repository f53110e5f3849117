"""Tests of logs, spans and metrics of calls to an upstream."""

from __future__ import annotations

import errno
import logging
from typing import Any

import pytest
from opentelemetry.trace import SpanKind
from prometheus_client import generate_latest

from bouquet_mesh.secret import Secret
from bouquet_worker import Upstream, UpstreamClient, transport
from bouquet_worker.auth import Bearer
from bouquet_worker.breaker import Breaker
from bouquet_worker.errors import UpstreamError
from tests.kit.upstream.fake_upstream import FakeUpstream, Household, reason_of, sample
from tests.support.spans import recorded_spans, span_text
from tests.support.upstream_client import PROVIDER, open_upstream


async def test_the_span_of_a_call_has_the_route_and_the_status(fake: FakeUpstream, url: str) -> None:
    fake.statuses = [404]
    with recorded_spans() as spans:
        async with open_upstream(Upstream("api", f"{url}/v1")) as upstream:
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


async def test_a_call_sends_its_trace_to_the_upstream(fake: FakeUpstream, upstream: UpstreamClient) -> None:
    with recorded_spans() as spans:
        await upstream.get("/")
    [span] = spans.get_finished_spans()
    assert span.context is not None
    parent = f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-"
    assert fake.received[-1].headers["traceparent"].startswith(parent)


async def test_calls_are_counted_by_route_and_outcome(fake: FakeUpstream, url: str) -> None:
    fake.statuses = [404, 503, 500]
    async with open_upstream(Upstream("counted", url, failures={500: "their_own"})) as upstream:
        await upstream.post("/{x}", path={"x": "1"})
        await reason_of(upstream.post("/{x}", path={"x": "2"}))
        await reason_of(upstream.post("/{x}", path={"x": "3"}))
    counts = [
        sample("bouquet_upstream_calls_total", provider=PROVIDER, upstream="counted", route="/{x}", outcome=outcome)
        for outcome in ("answered", "upstream_unavailable", "own")
    ]
    assert counts == [1, 1, 1]
    assert sample("bouquet_upstream_seconds_count", provider=PROVIDER, upstream="counted", route="/{x}") == 3


SECRETS = ("KERVALLAN", "1234567890G", "t0ken", "TREGUIDEL", "XYZZY")


@pytest.mark.parametrize("status", [200, 302, 404, 500, 503])
async def test_no_log_span_metric_or_error_of_a_call_names_a_person(
    fake: FakeUpstream, url: str, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    fake.statuses, fake.text = [status], '{"quotientFamilial": "TREGUIDEL"}'
    fake.headers = {"X-Echo": "XYZZY", "Location": "/XYZZY"}
    errors = []

    async def ask(api: UpstreamClient, **how: Any) -> None:
        try:
            (await api.get("/{ine}", path={"ine": "1234567890G"}, params={"nom": "KERVALLAN"}, **how)).decode(Household)
        except UpstreamError as error:
            error.log()
            errors.append(repr(error))

    with caplog.at_level(logging.DEBUG), recorded_spans() as spans:
        breaker = Breaker("acme", "api", after=1)
        async with open_upstream(Upstream("api", url, auth=Bearer(Secret("t0ken"))), breaker=breaker) as upstream:
            await ask(upstream)
            await ask(upstream, json={"nom": "KERVALLAN"})
    seen = "".join(
        [
            *(repr(vars(record)) for record in caplog.records),
            *map(span_text, spans.get_finished_spans()),
            *errors,
            generate_latest().decode(),
        ]
    )
    assert errors
    assert [secret for secret in SECRETS if secret in seen] == []


async def test_calls_that_an_open_breaker_refuses_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        UpstreamError("breaker_open").log()
        UpstreamError("upstream_certificate", cause="ClientConnectorCertificateError").log()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("ERROR", "upstream gave no usable answer")
    ]


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENETUNREACH, "upstream_unreachable"), (errno.EHOSTUNREACH, "upstream_unavailable")],
)
def test_a_missing_network_has_a_reason_of_its_own(number: int, reason: str) -> None:
    # A test cannot rely on an address without a route, so only the translation of the error is tested.
    assert transport.reason_of(OSError(number, "")) == reason
