"""What leaves a process besides its answers: logs, spans, metrics. Searched for words that name a person."""

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

from bouquet_mesh.observe.logs import UNSPOKEN_LOGGERS
from bouquet_proto.failures import FAILURES
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Found
from bouquet_proto.offer import Offer
from bouquet_worker.testing.cases import Case

OUTCOMES = ("found", "not_found", "rejected", "failed", "describe")
WORD_LENGTH = 4
NUMBER_LENGTH = 5
"""Shorter words and numbers are everywhere by chance."""

_STANDARD = vars(logging.makeLogRecord({})).keys()


class Overheard(logging.Handler):
    """A log handler, and an exporter of spans."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._records: list[logging.LogRecord] = []
        self.spans = InMemorySpanExporter()

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(UNSPOKEN_LOGGERS):
            self._records.append(record)

    def texts(self) -> Mapping[str, str]:
        """By kind. Tracebacks are left out, as production does; a span's are not. Clocks, durations, ports, ids of
        traces and values of metrics are left out too: any number is in them sooner or later."""
        return {
            "a log line": "\n".join(map(line_of, self._records)),
            "a span": "\n".join(map(_span, self.spans.get_finished_spans())),
            "a metric": "\n".join(
                f"{sample.name} {sample.labels}" for metric in REGISTRY.collect() for sample in metric.samples
            ),
        }


@contextmanager
def overhearing() -> Iterator[Overheard]:
    """OpenTelemetry has one provider a process, for ever: the exporter is added to it, and shut afterwards."""
    overheard, root, provider = Overheard(), logging.getLogger(), trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    provider.add_span_processor(SimpleSpanProcessor(overheard.spans))
    level = root.level
    root.addHandler(overheard)
    root.setLevel(logging.DEBUG)
    try:
        yield overheard
    finally:
        root.setLevel(level)
        root.removeHandler(overheard)
        overheard.spans.shutdown()


def words_of(text: str) -> set[str]:
    """Whatever their case and accents, and however an URL writes them."""
    plain = unicodedata.normalize("NFKD", f"{text} {unquote_plus(text)}")
    folded = "".join(char for char in plain if not unicodedata.combining(char)).casefold()
    return {
        word for word in re.findall(r"\w+", folded) if len(word) >= (NUMBER_LENGTH if word.isdecimal() else WORD_LENGTH)
    }


def personal_words(case: Case, offer: Offer) -> set[str]:
    """Those of the question and of the answer, but for what the offer says to everybody."""
    told = [msgspec.to_builtins(case.identity), case.parameters]
    if isinstance(case.identity, Identite):
        told.append(case.identity.date_naissance())
    if isinstance(case.reply, Found):
        told.append(msgspec.json.decode(case.reply.data))
    return words_of(" ".join(_values(told))) - _vocabulary(offer)


def _vocabulary(offer: Offer) -> set[str]:
    """Without its examples, which may be a person of the cases."""
    plain = tuple(msgspec.structs.replace(operation, example=None) for operation in offer.operations)
    public = msgspec.json.encode(msgspec.structs.replace(offer, operations=plain)).decode()
    return words_of(" ".join((public, *FAILURES, *OUTCOMES)))


def _values(node: Any) -> Iterator[str]:
    """Texts and whole numbers, however deep."""
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


def line_of(record: logging.LogRecord) -> str:
    """What a record says: its logger, its message and the fields that it was given, but for clocks and durations."""
    own = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    extra = {name: value for name, value in own.items() if name != "port" and not isinstance(value, float)}
    return f"{record.name} {record.getMessage()} {extra}"
