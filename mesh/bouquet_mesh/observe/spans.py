"""OpenTelemetry traces across the bus, without personal data. Messages carry the W3C trace context, and the standard
`OTEL_*` variables configure the exporter."""

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
from bouquet_mesh.observe.request_context import request_id, trace_id
from bouquet_proto.messages import Request
from bouquet_proto.names import queue_of

_tracer = trace.get_tracer("bouquet")
_w3c = TraceContextTextMapPropagator()

NOT_SAMPLED = tuple("02468ace")
"""Possible last characters of a W3C `traceparent` header whose trace is not sampled."""
# These are the hexadecimal digits whose lowest bit, the sampled flag, is 0.


def span(
    name: str, kind: SpanKind, attributes: Mapping[str, str | int], parent: Mapping[str, str] | None = None
) -> AbstractContextManager[Span]:
    """Opens a span that lasts as long as the context. The W3C headers `parent` name the parent span, by default the
    current span. Exceptions are not recorded, since their texts may quote personal data."""
    # If the current span is not sampled, no new one is opened below it, since no sampler would keep it.
    above = trace.get_current_span()
    if parent is None and _is_unsampled(above.get_span_context()):
        return nullcontext(above)
    return _start_span(name, kind, attributes, None if parent is None else _w3c.extract(parent))


def server_span(
    name: str, attributes: Mapping[str, str | int], headers: Mapping[str, str]
) -> AbstractContextManager[Span]:
    """Opens the first span of a new trace, for an HTTP request from outside. If the request's `headers` name a trace,
    the new span links to that trace, but does not become a part of it."""
    # So a caller can choose neither the trace id, which the journal keeps, nor the sampling.
    return _start_span(
        name, SpanKind.SERVER, attributes, Context(), _links(headers) if "traceparent" in headers else ()
    )


def _links(headers: Mapping[str, str]) -> Sequence[Link]:
    theirs = trace.get_current_span(_w3c.extract(headers)).get_span_context()
    # Without `tracestate`, which is free text of the caller.
    return [Link(SpanContext(theirs.trace_id, theirs.span_id, is_remote=True))] if theirs.is_valid else []


def _is_unsampled(one: SpanContext) -> bool:
    return one.is_valid and not one.trace_flags.sampled


def _start_span(
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, str | int],
    parent: Context | None,
    links: Sequence[Link] = (),
) -> AbstractContextManager[Span]:
    # Not `start_as_current_span`, whose two context managers cost more than a span that is not sampled.
    return _OpenSpan(_tracer.start_span(name, context=parent, kind=kind, attributes=attributes, links=links))


class _OpenSpan(AbstractContextManager[Span]):
    """Context manager that makes a span the current one, and ends the span when the context ends."""

    # Not a `contextmanager`, which takes longer to enter and leave.

    __slots__ = ("_id_token", "_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        self._token = context.attach(trace.set_span_in_context(self._span))
        self._id_token = trace_id.set(_trace_id_of(self._span))
        return self._span

    def __exit__(self, *_: object) -> None:
        trace_id.reset(self._id_token)
        context.detach(self._token)
        self._span.end()


def within_trace(headers: Mapping[str, str]) -> AbstractContextManager[Span]:
    """While the context is open, continues the trace that the W3C `headers` name, without opening a span. Log lines
    written meanwhile contain the trace's id."""
    # The span of another process, which ends it: `end` does nothing here.
    return _OpenSpan(trace.get_current_span(_w3c.extract(headers)))


def traceparent(span: Span | None = None) -> str:
    """Returns the value of a W3C `traceparent` header that continues the trace of `span`, by default the current span.
    Returns "" if there is no trace."""
    context = (span or trace.get_current_span()).get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _trace_id_of(current: Span) -> str:
    context = current.get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else ""


def exemplar(current: Span) -> dict[str, str] | None:
    """Returns the labels of a Prometheus exemplar, which links a measured value to the trace of the span `current`.
    Returns None if the trace is not sampled."""
    context = current.get_span_context()
    return {"trace_id": format(context.trace_id, "032x")} if context.trace_flags.sampled else None


def send_span(system: str, provider: str) -> AbstractContextManager[Span]:
    """Opens the span of a call over the bus to `provider`, in the calling process. `system` names the bus's
    transport."""
    return span(f"send {provider}", SpanKind.PRODUCER, _messaging(system, provider, "send"))


@contextmanager
def process_span(system: str, provider: str, request: Request) -> Iterator[Span]:
    """Opens the span in which a worker handles a request, within the caller's trace. Log lines written meanwhile
    contain the request's id."""
    token = request_id.set(request.id)
    began = time.perf_counter()
    requests_in_flight = metrics.requests_in_flight(provider)
    requests_in_flight.inc()
    try:
        with _processing(system, provider, request) as current:
            yield current
    finally:
        requests_in_flight.dec()
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


def add_attributes(attributes: Mapping[str, str | int]) -> None:
    """Adds attributes to the current span."""
    trace.get_current_span().set_attributes(attributes)


@contextmanager
def tracing(service: str, environ: Mapping[str, str]) -> Iterator[None]:
    """Records traces while the context is open. Exports them by OTLP only if `OTEL_EXPORTER_OTLP_ENDPOINT` or
    `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set."""
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
