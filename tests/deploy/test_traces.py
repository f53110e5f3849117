"""Tests that a tracing backend has the whole trace of a lookup, under the id in the gateway's log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import need
from tests.support.people import MSA_ALLOCATAIRE, staged_query
from tests.support.processes import process_mesh
from tests.support.traces import PROGRAM, StoredSpan, TraceView

QF = "/v3/dss/quotient_familial/identite"
LOOKS, PAUSE_S = 100, 0.2


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[TraceView]:
    need(PROGRAM is not None, "trace-view")
    with TraceView(tmp_path / "traces") as started:
        yield started


def leg(fund: str) -> tuple[Any, ...]:
    upstream = (f"bouquet-{fund}", "GET /qf")
    return ("bouquet-gateway", f"send {fund}", (f"bouquet-{fund}", f"process {fund}", upstream))


@pytest.mark.broker
async def test_a_lookup_is_found_whole_by_its_trace_id(broker_url: str, backend: TraceView) -> None:
    otlp = {"OTEL_EXPORTER_OTLP_ENDPOINT": backend.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    async with process_mesh(broker_url, **otlp) as system:
        await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
        gateway, client = await system.gateway()
        await client.get(params=staged_query("CAF-NO-FILE MSA-NO-FILE"))  # workers ask for tokens of their own, once
        answer = await client.get(params=MSA_ALLOCATAIRE)
        line = await gateway.until_logged("request answered", times=2)
        assert answer.summary == "200 MSA"
        spans = await spans_of(backend, line["trace_id"], 7)
    [root] = [span for span in spans if not span.parent]
    assert shape(spans, root) == ("bouquet-gateway", f"GET {QF}", leg("cnaf"), leg("msa"))
    assert (root.attributes["bouquet.regime"], root.attributes["http.response.status_code"]) == ("msa", 200)


async def spans_of(backend: TraceView, trace_id: str, expected: int) -> list[StoredSpan]:
    """Returns the stored spans of a trace, once there are `expected` of them."""
    spans: list[StoredSpan] = []
    for _ in range(LOOKS):
        spans = await backend.trace(trace_id)
        if len(spans) >= expected:
            break
        await asyncio.sleep(PAUSE_S)
    return spans


def shape(spans: list[StoredSpan], span: StoredSpan) -> tuple[Any, ...]:
    """Returns a span as a tuple for comparison: service, name, and the children's tuples."""
    children = (shape(spans, child) for child in spans if child.parent == span.id)
    return (span.attributes["service.name"], _what(span.attributes), *children)


def _what(attributes: dict[str, Any]) -> str:
    """Returns the name that OpenTelemetry's conventions give to a span with these attributes, such as `GET /qf`."""
    if "bouquet.provider" in attributes:
        return f"{attributes['messaging.operation.name']} {attributes['bouquet.provider']}"
    where = attributes.get("http.route") or attributes["url.template"]
    return f"{attributes['http.request.method']} {where}"
