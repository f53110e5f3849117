"""Traces, the same on every hop: W3C context in the message, no exception text, no person.

Spans follow OpenTelemetry's conventions for messaging; the exporter is set by the standard `OTEL_*` variables.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanContext, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from bouquet_mesh.observe import metrics
from bouquet_mesh.observe.outcomes import kind_of, operation_of
from bouquet_mesh.observe.request_context import request_id
from bouquet_proto.messages import Request
from bouquet_proto.names import queue_of

_tracer = trace.get_tracer("bouquet")
_w3c = TraceContextTextMapPropagator()


NOT_SAMPLED = tuple("02468ace")
"""How a W3C `traceparent` ends then: its flags' lowest bit."""


def span(
    name: str, kind: SpanKind, attributes: Mapping[str, str | int], parent: Mapping[str, str] | None = None
) -> AbstractContextManager[Span]:
    """A current span that never records an exception: its text may quote a person. `parent` holds W3C headers.

    Below a span that is not sampled it is that one again: no sampler would keep it, and each costs as much to refuse.
    """
    above = trace.get_current_span()
    if parent is None and _is_left_out(above.get_span_context()):
        return nullcontext(above)
    return _made(name, kind, attributes, None if parent is None else _w3c.extract(parent))


def served(name: str, attributes: Mapping[str, str | int], headers: Mapping[str, str]) -> AbstractContextManager[Span]:
    """The root of a trace of ours, for a call from outside. The caller's trace is linked where it says one in W3C
    `headers`: it neither names ours, which the journal keeps, nor decides whether that is sampled."""
    return _made(name, SpanKind.SERVER, attributes, Context(), _links(headers) if "traceparent" in headers else ())


def _links(headers: Mapping[str, str]) -> Sequence[Link]:
    theirs = trace.get_current_span(_w3c.extract(headers)).get_span_context()
    # Without the state of their trace, which is free text.
    return [Link(SpanContext(theirs.trace_id, theirs.span_id, is_remote=True))] if theirs.is_valid else []


def _is_left_out(one: SpanContext) -> bool:
    return one.is_valid and not one.trace_flags.sampled


@contextmanager
def _made(
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, str | int],
    parent: Context | None,
    links: Sequence[Link] = (),
) -> Iterator[Span]:
    # Not `start_as_current_span`: its own two context managers cost more than a span that is not sampled.
    current = _tracer.start_span(name, context=parent, kind=kind, attributes=attributes, links=links)
    token = context.attach(trace.set_span_in_context(current))
    try:
        yield current
    finally:
        context.detach(token)
        current.end()


@contextmanager
def within_trace(headers: Mapping[str, str]) -> Iterator[Span]:
    """Log lines belong to the caller's trace, without a span of one's own."""
    above = _w3c.extract(headers)
    token = context.attach(above)
    try:
        yield trace.get_current_span(above)
    finally:
        context.detach(token)


def traceparent() -> str:
    """The current trace context as one W3C header value, empty without a trace."""
    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return ""
    return f"00-{current.trace_id:032x}-{current.span_id:016x}-{current.trace_flags:02x}"


def trace_id() -> str:
    """Of the current trace, in hexadecimal; empty without one."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else ""


def exemplar(current: Span) -> dict[str, str] | None:
    """What leads from an observation to its trace, if that is kept."""
    context = current.get_span_context()
    return {"trace_id": format(context.trace_id, "032x")} if context.trace_flags.sampled else None


def sending(system: str, provider: str) -> AbstractContextManager[Span]:
    """The asking side of a call."""
    return span(f"send {provider}", SpanKind.PRODUCER, _messaging(system, provider, "send"))


@contextmanager
def processing(system: str, provider: str, request: Request) -> Iterator[Span]:
    """The answering side of a call, in the trace of the asking one, which has decided whether there is one."""
    token = request_id.set(request.id)
    began = time.perf_counter()
    in_hand = metrics.in_hand(provider)
    in_hand.inc()
    try:
        with _processing(system, provider, request) as current:
            yield current
    finally:
        in_hand.dec()
        seconds = metrics.handle_seconds(provider, kind_of(request))
        seconds.observe(time.perf_counter() - began, exemplar(current))
        request_id.reset(token)


def _processing(system: str, provider: str, request: Request) -> AbstractContextManager[Span]:
    parent = {"traceparent": request.traceparent}
    if request.traceparent.endswith(NOT_SAMPLED):
        return within_trace(parent)
    attributes = {**_messaging(system, provider, "process"), "bouquet.operation": operation_of(request)}
    return span(f"process {provider}", SpanKind.CONSUMER, attributes, parent)


@cache
def _messaging(system: str, provider: str, verb: str) -> Mapping[str, str | int]:
    return {
        "messaging.system": system,
        "messaging.destination.name": queue_of(provider),
        "messaging.operation.name": verb,
        "messaging.operation.type": verb,
        "bouquet.provider": provider,
    }


def note(attributes: Mapping[str, str | int]) -> None:
    """Adds facts to the current span."""
    trace.get_current_span().set_attributes(attributes)


@contextmanager
def tracing(service: str, environ: Mapping[str, str]) -> Iterator[None]:
    """Traces for the life of a process, exported by OTLP when `OTEL_EXPORTER_OTLP_[TRACES_]ENDPOINT` is set."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if any(environ.get(name) for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        # Imported here: the exporter costs 50 ms and 10 MB that a process without a collector need not pay.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()
