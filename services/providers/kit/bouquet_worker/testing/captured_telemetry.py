"""Logs, spans and metrics captured in a test and searched for words that identify a person."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_plus

import msgspec
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from bouquet_mesh.observe.logs import SILENCED_LOGGERS
from bouquet_proto.failures import FAILURES
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Found
from bouquet_proto.offer import Offer
from bouquet_worker.testing.cases import Case

OUTCOMES = ("found", "not_found", "rejected", "failed", "describe")
# Shorter words and numbers are found everywhere by chance.
MIN_WORD_LENGTH = 4
MIN_NUMBER_LENGTH = 5

_STANDARD = vars(logging.makeLogRecord({})).keys()


class CapturedTelemetry(logging.Handler):
    """Logging handler that keeps log records in memory. `spans` is the exporter that keeps trace spans."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._records: list[logging.LogRecord] = []
        self.spans = InMemorySpanExporter()

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a log record, unless it comes from a logger that production silences (`SILENCED_LOGGERS`)."""
        if not record.name.startswith(SILENCED_LOGGERS):
            self._records.append(record)

    def texts(self) -> Mapping[str, str]:
        """Returns all captured text under three keys: "a log line" for logs, "a span" for spans, "a metric" for
        metrics."""
        # Leaves out times, durations, ports, trace ids and values of metrics, since they may equal a personal number by
        # chance. Also leaves out tracebacks, since production does not log them.
        return {
            "a log line": "\n".join(map(log_text_of, self._records)),
            "a span": "\n".join(map(_span, self.spans.get_finished_spans())),
            "a metric": "\n".join(
                f"{sample.name} {sample.labels}" for metric in REGISTRY.collect() for sample in metric.samples
            ),
        }


@contextmanager
def capturing_telemetry() -> Iterator[CapturedTelemetry]:
    """Captures the logs and spans of this process until the context ends. Yields the object that holds them."""
    # A process has one tracer provider, which cannot be replaced: an exporter is added to it, and shut down afterwards.
    captured, root, provider = CapturedTelemetry(), logging.getLogger(), trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    provider.add_span_processor(SimpleSpanProcessor(captured.spans))
    level = root.level
    root.addHandler(captured)
    root.setLevel(logging.DEBUG)
    try:
        yield captured
    finally:
        root.setLevel(level)
        root.removeHandler(captured)
        captured.spans.shutdown()


def words_of(text: str) -> set[str]:
    """Returns the words and numbers of a text, in lower case and without accents. Leaves out words shorter than
    `MIN_WORD_LENGTH` and numbers shorter than `MIN_NUMBER_LENGTH`."""
    # Words of the URL-decoded text are among them. Short ones occur everywhere by chance.
    plain = unicodedata.normalize("NFKD", f"{text} {unquote_plus(text)}")
    folded = "".join(char for char in plain if not unicodedata.combining(char)).casefold()
    return {
        word
        for word in re.findall(r"\w+", folded)
        if len(word) >= (MIN_NUMBER_LENGTH if word.isdecimal() else MIN_WORD_LENGTH)
    }


def personal_words(case: Case, offer: Offer) -> set[str]:
    """Returns the words of a test case that may identify the person, so that telemetry must not contain them. Leaves
    out public words, such as the names of the operation's fields."""
    personal = [msgspec.to_builtins(case.identity), case.parameters]
    if isinstance(case.identity, Identite):
        personal.append(case.identity.date_naissance())
    if isinstance(case.reply, Found):
        personal.append(msgspec.json.decode(case.reply.data))
    return words_of(" ".join(_values(personal))) - _vocabulary(offer)


def _vocabulary(offer: Offer) -> set[str]:
    """Returns the words that telemetry may contain: reasons of failures, outcomes, and the worker's offer without its
    examples."""
    plain = tuple(msgspec.structs.replace(operation, example=None) for operation in offer.operations)
    public = msgspec.json.encode(msgspec.structs.replace(offer, operations=plain)).decode()
    return words_of(" ".join((public, *FAILURES, *OUTCOMES)))


def _values(node: Any) -> Iterator[str]:
    """Yields the texts and whole numbers of a JSON value, at any depth."""
    match node:
        case bool():
            return
        case str() | int():
            yield str(node)
        case dict():
            yield from _values(list(node.values()))
        case list() | tuple():
            for item in node:
                yield from _values(item)


def _span(span: ReadableSpan) -> str:
    events = [(event.name, dict(event.attributes or {})) for event in span.events]
    attributes = {name: value for name, value in (span.attributes or {}).items() if name != "server.port"}
    return f"{span.name} {attributes} {events} {span.status.description} {span.resource.to_json()}"


def log_text_of(record: logging.LogRecord) -> str:
    """Returns a text with the logger, message and extra fields of a log record."""
    # Leaves out ports, times and durations, since they may equal a personal number by chance.
    own = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    extra = {name: value for name, value in own.items() if name != "port" and not isinstance(value, float)}
    return f"{record.name} {record.getMessage()} {extra}"
