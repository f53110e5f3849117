"""Tests of traces: all spans of a request, from gateway to upstream, belong to one trace. The trace's id is in every
log event about the request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.support.mesh import mesh
from tests.support.people import CAF_ALLOCATAIRE, MSA_ALLOCATAIRE, staged_query
from tests.support.processes import process_mesh
from tests.support.spans import recorded_spans, span_text
from tests.support.waiting import until

THEIR_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALL = "0d6f1a52-6a0c-4a3b-9d55-3c1f0c1c7a11"
THEIR_SPAN = "00f067aa0ba902b7"
THEIRS = {"traceparent": f"00-{THEIR_TRACE}-{THEIR_SPAN}-01"}
OPERATION = "api_particulier_v3_cnav_quotient_familial_with_civility"


class Tree(Struct, frozen=True):
    """A span with its child spans in order of time. It has no ids or times, so that trees of several runs can be
    compared."""

    name: str
    kind: str
    attributes: dict[str, Any]
    children: tuple[Tree, ...]


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    with recorded_spans() as exporter:
        yield exporter


def finished(spans: InMemorySpanExporter) -> list[ReadableSpan]:
    """Returns all finished spans, except those of the requests by which the gateway asks workers for their offers."""
    return [span for span in spans.get_finished_spans() if trace_of(span) not in describing(spans)]


def describing(spans: InMemorySpanExporter) -> set[str]:
    named = [
        span for span in spans.get_finished_spans() if (span.attributes or {}).get("bouquet.operation") == "describe"
    ]
    return {trace_of(span) for span in named}


def trace_of(span: ReadableSpan) -> str:
    assert span.context
    return format(span.context.trace_id, "032x")


def tree(spans: list[ReadableSpan], root: ReadableSpan) -> Tree:
    assert root.context
    own = root.context.span_id
    children = sorted((span for span in spans if span.parent and span.parent.span_id == own), key=start_of)
    return Tree(root.name, root.kind.name, dict(root.attributes or {}), tuple(tree(spans, child) for child in children))


def start_of(span: ReadableSpan) -> int:
    return span.start_time or 0


def only_root(spans: list[ReadableSpan]) -> ReadableSpan:
    [root] = [span for span in spans if span.kind is SpanKind.SERVER]
    return root


async def asked(bus_url: str, params: dict[str, Any], spans: InMemorySpanExporter) -> Tree:
    """Makes one request and returns its spans as a tree."""
    # An earlier request makes the token and the providers known to the gateway: the tree has no spans for learning
    # them.
    async with mesh(bus_url) as client:
        await client.get(params=staged_query("CAF-NO-FILE MSA-NO-FILE"))
        await until(lambda: len([span for span in finished(spans) if span.kind is SpanKind.SERVER]) == 1)
        spans.clear()
        await client.get(params=params, headers={"X-Request-Id": CALL})
        await until(lambda: any(span.kind is SpanKind.SERVER for span in finished(spans)))
    found = finished(spans)
    assert len({trace_of(span) for span in found}) == 1
    return tree(found, only_root(found))


def shape(node: Tree) -> tuple[Any, ...]:
    return (node.kind, node.name, *map(shape, node.children))


def bus_leg(provider: str) -> tuple[Any, ...]:
    return (
        "PRODUCER",
        f"send {provider}",
        ("CONSUMER", f"process {provider}", ("CLIENT", "GET /qf")),
    )


async def test_a_request_is_one_trace_from_the_gateway_to_the_upstream(spans: InMemorySpanExporter) -> None:
    root = await asked("memory:", CAF_ALLOCATAIRE, spans)
    assert shape(root) == ("SERVER", "GET /v3/dss/quotient_familial/identite", bus_leg("cnaf"))


async def test_calls_to_caf_and_msa_are_branches_of_one_trace(spans: InMemorySpanExporter) -> None:
    root = await asked("memory:", MSA_ALLOCATAIRE, spans)
    assert shape(root)[2:] == (bus_leg("cnaf"), bus_leg("msa"))


async def test_spans_follow_the_conventions_of_http_and_messaging(spans: InMemorySpanExporter) -> None:
    root = await asked("memory:", CAF_ALLOCATAIRE, spans)
    [send] = root.children
    [process] = send.children
    [get] = process.children
    assert root.attributes == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "http.route": "/v3/dss/quotient_familial/identite",
        "http.response.status_code": 200,
        "bouquet.request_id": CALL,
        "bouquet.regime": "cnaf",
        "bouquet.regime.source": "first",
    }
    messaging = {
        "messaging.system": "memory",
        "messaging.destination.name": "bouquet.q.cnaf",
        "bouquet.provider": "cnaf",
        "bouquet.outcome": "found",
    }
    named = {"messaging.operation.name": "send", "messaging.operation.type": "send"}
    assert send.attributes == messaging | named
    named = {"messaging.operation.name": "process", "messaging.operation.type": "process"}
    assert process.attributes == messaging | named | {"bouquet.operation": OPERATION}
    port = get.attributes.pop("server.port")
    assert isinstance(port, int)
    assert get.attributes == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "url.template": "/qf",
        "http.response.status_code": 200,
    }


@pytest.mark.broker
@pytest.mark.parametrize("params", [CAF_ALLOCATAIRE, MSA_ALLOCATAIRE])
async def test_both_transports_give_the_same_tree(
    spans: InMemorySpanExporter, broker_url: str, params: dict[str, Any]
) -> None:
    embedded = await asked("memory:", params, spans)
    spans.clear()
    brokered = await asked(broker_url, params, spans)
    assert plain(brokered) == plain(embedded)
    assert systems(brokered) == {"rabbitmq"}


def plain(node: Tree) -> Tree:
    """Returns the tree without the attributes that differ between runs, such as ports."""
    kept = {name: value for name, value in node.attributes.items() if name not in ("messaging.system", "server.port")}
    return Tree(node.name, node.kind, kept, tuple(map(plain, node.children)))


def systems(node: Tree) -> set[str]:
    own = {node.attributes["messaging.system"]} if "messaging.system" in node.attributes else set()
    return own.union(*map(systems, node.children))


@pytest.mark.parametrize("flags", ["00", "01"])
async def test_a_client_s_trace_is_linked_and_does_not_decide_sampling(spans: InMemorySpanExporter, flags: str) -> None:
    """Tests that the gateway starts a trace of its own and only links it to the client's trace, whether or not the
    client's trace is sampled."""
    theirs = {"traceparent": f"00-{THEIR_TRACE}-{THEIR_SPAN}-{flags}", "tracestate": "a=what-they-like"}
    async with mesh() as client:
        await client.get(params=CAF_ALLOCATAIRE, headers=theirs)
        heard = client.received("cnaf")[0].headers["traceparent"]
        await until(lambda: bool([span for span in finished(spans) if span.kind is SpanKind.SERVER]))
    root = only_root(finished(spans))
    [link] = root.links
    assert root.parent is None
    assert (format(link.context.trace_id, "032x"), format(link.context.span_id, "016x")) == (THEIR_TRACE, THEIR_SPAN)
    assert {trace_of(span) for span in finished(spans)} == {heard.split("-")[1]} != {THEIR_TRACE}
    assert "what-they-like" not in span_text(root)


@pytest.mark.parametrize("traceparent", ["", "00-LEGOUADEC-1-01", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "é"])
async def test_an_unreadable_traceparent_is_ignored(spans: InMemorySpanExporter, traceparent: str) -> None:
    async with mesh() as client:
        assert (await client.get(params=CAF_ALLOCATAIRE, headers={"traceparent": traceparent})).status == 200
        await until(lambda: bool([span for span in finished(spans) if span.kind is SpanKind.SERVER]))
    root = only_root(finished(spans))
    assert (root.parent, root.links) == (None, ())


async def test_a_failure_is_marked_in_the_span_where_it_happened(spans: InMemorySpanExporter) -> None:
    async with mesh() as client:
        await client.get(params=staged_query("CAF-INTERNAL MSA-NO-FILE"))
        await until(lambda: bool([span for span in finished(spans) if span.kind is SpanKind.SERVER]))
    wrong = {span.name for span in finished(spans) if span.status.status_code is StatusCode.ERROR}
    assert wrong == {"GET /v3/dss/quotient_familial/identite", "send cnaf", "process cnaf"}
    sent = next(span for span in finished(spans) if span.name == "send cnaf")
    assert (sent.attributes or {})["error.type"] == "upstream_internal"


async def test_a_caller_s_mistake_is_not_marked_as_an_error(spans: InMemorySpanExporter) -> None:
    async with mesh() as client:
        await client.get(params={})
        await until(lambda: bool([span for span in finished(spans) if span.kind is SpanKind.SERVER]))
    assert only_root(finished(spans)).status.status_code is StatusCode.UNSET


async def test_an_upstream_token_is_requested_in_the_trace_that_needs_it(spans: InMemorySpanExporter) -> None:
    async with mesh() as client:
        await client.get(params=CAF_ALLOCATAIRE)
        await until(lambda: bool([span for span in finished(spans) if span.kind is SpanKind.SERVER]))
    found = finished(spans)
    [process] = tree(found, only_root(found)).children[0].children
    assert [child.name for child in process.children] == ["GET /qf"]
    assert [child.name for child in process.children[0].children] == ["POST /token"]


@pytest.mark.broker
async def test_several_processes_log_the_same_trace_id(broker_url: str) -> None:
    async with process_mesh(broker_url) as system:
        cnaf, msa = await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
        gateway, client = await system.gateway()
        answer = await client.get(params=MSA_ALLOCATAIRE, headers=THEIRS)
        lines = [await gateway.until_logged("request answered")]
        lines += [await worker.until_logged("request handled") for worker in (cnaf, msa)]
        parents = [system.received(provider)[0].headers["traceparent"] for provider in ("cnaf", "msa")]
    assert answer.summary == "200 MSA"
    [ours] = {line["trace_id"] for line in lines}
    assert ours != THEIR_TRACE
    assert {line["request_id"] for line in lines} == {answer.headers["X-Request-Id"]}
    assert {line["service"] for line in lines} == {"bouquet-gateway", "bouquet-cnaf", "bouquet-msa"}
    assert {parent.split("-")[1] for parent in parents} == {ours}


@pytest.mark.broker
async def test_every_log_line_of_a_request_has_its_id_and_its_trace(broker_url: str) -> None:
    async with process_mesh(broker_url) as system:
        cnaf, _ = await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
        gateway, client = await system.gateway()
        answer = await client.get(params=staged_query("CAF-HTML MSA-NO-FILE"), headers=THEIRS)
        await gateway.until_logged("request answered")
        await cnaf.until_logged("upstream gave no usable answer")
        lines = [line for process in system.processes for line in process.lines if line["request_id"]]
    assert {line["request_id"] for line in lines} == {answer.headers["X-Request-Id"]}
    [ours] = {line["trace_id"] for line in lines}
    assert ours not in ("", THEIR_TRACE)
