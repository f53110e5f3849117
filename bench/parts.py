"""Parts of a lookup, from the check of the token to the answer. Each is a function that the benchmark calls repeatedly
to measure its CPU cost."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from itertools import count
from typing import TypeAlias

import aiohttp
import msgspec
from msgspec import Raw, Struct
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import SpanKind

from bench.lookup import (
    PATH,
    RECIPIENT,
    REQUEST_ID,
    SCOPES,
    UPSTREAM_BODY,
    UPSTREAM_HEADERS,
    WHO,
    query_of,
    wire_reply,
    wire_request,
)
from bouquet_cnaf.worker import worker as cnaf
from bouquet_gateway import metrics
from bouquet_gateway.access import tokens
from bouquet_gateway.access.credentials import Credential
from bouquet_gateway.access.rate_limit import MemoryCounters, RateLimiter
from bouquet_gateway.access.tokens import TokenVerifier
from bouquet_gateway.lookup.regime import ChoiceCriteria
from bouquet_gateway.lookup.regime_plan import HedgeTiming, resolve
from bouquet_gateway.lookup.scope_filter import filter_data
from bouquet_gateway.offers.catalogue import Catalogue, IdentificationMethod
from bouquet_gateway.stores.cache import key_of
from bouquet_gateway.stores.open_cache import open_cache
from bouquet_hub.quotient import Month, quotient_familial, read
from bouquet_hub.request import query_of as hub_query_of
from bouquet_hub.upstream import HubSettings, hub_upstream
from bouquet_mesh.bus.api import Bus
from bouquet_mesh.observe import outcomes, spans
from bouquet_mesh.observe.metrics import calls
from bouquet_mesh.pseudonym import pseudonym
from bouquet_mesh.secret import Secret
from bouquet_proto.access_record import Access
from bouquet_proto.access_record import encode as encode_access
from bouquet_proto.deadline import Deadline
from bouquet_proto.identity import MODALITIES
from bouquet_proto.messages import Caller, Found, Lookup, NotFound, Reply, Request, decode_reply, decode_request, encode
from bouquet_proto.query import parse_query
from bouquet_proto.quotient_familial import DATA_TYPES, FIELDS, OPERATION, REGIMES
from bouquet_proto.rules import RuleViolations, apply_rules
from bouquet_worker import Answer, UpstreamClient
from bouquet_worker import Question as WorkerQuestion
from bouquet_worker.deadline import within

KEY = Secret("the key that signs the tokens of the benchmark")
TODAY = date(2026, 4, 15)
TOGETHER = 64
NOBODY = NotFound("bench")

Once: TypeAlias = Callable[[], object]
Awaited: TypeAlias = Callable[[], Awaitable[object]]


class Part(Struct, frozen=True):
    hop: str
    name: str
    call: Once | Awaited
    times: int = 1
    """Number of times that one call of `call` executes the part."""


def gateway_parts() -> list[Part]:
    token = tokens.issue(KEY, SCOPES, expires_at=int(time.time()) + 3600, token_id=REQUEST_ID)
    credential = Credential("bearer", token)
    known, pace = TokenVerifier(KEY), RateLimiter(MemoryCounters(), limit=10**9)
    catalogue = Catalogue([cnaf.offer()])
    text = query_of(1)
    query = parse_query(text)
    values = apply_rules(OPERATION.checks, query, TODAY)
    assert not isinstance(values, RuleViolations)
    own = {name: values[name] for name in MODALITIES[OPERATION.modality].__struct_fields__ if name in values}
    found = decode_reply(wire_reply())
    assert isinstance(found, Found)
    lookup = _lookup()

    async def answer() -> Reply:
        return found

    def start(*_: object) -> asyncio.Task[Reply]:
        return asyncio.create_task(answer())

    plan = partial(
        resolve,
        start,
        lookup,
        ChoiceCriteria(WHO, past_month=False, data_type=DATA_TYPES[OPERATION.id]),
        REGIMES,
        HedgeTiming(),
    )
    return [
        Part("3 authenticate", "a token for the first time", lambda: TokenVerifier(KEY).read(credential)),
        Part("3 authenticate", "a token that is known", partial(known.read, credential)),
        Part("3 authenticate", "pace", partial(pace.hit, REQUEST_ID)),
        Part("4 match", "path to operation", partial(catalogue.match, PATH, IdentificationMethod())),
        Part("5 parse", "query string", partial(parse_query, text)),
        Part("5 parse", "query string of as many parameters as a line holds", partial(parse_query, "a=1&" * 2000)),
        Part("5 parse", "rules", partial(apply_rules, OPERATION.checks, query, TODAY)),
        Part("5 parse", "identity", partial(msgspec.convert, own, MODALITIES[OPERATION.modality])),
        Part("6 cache", "key", partial(key_of, KEY, "data", OPERATION.id, text, "2026-04")),
        Part("7 route", "regime plan, the first provider knows", plan),
        Part("8 bus.call", "encode request", partial(encode, lookup)),
        Part("8 bus.call", "decode reply", partial(decode_reply, wire_reply())),
        Part("9 filter", "one field of four closed", partial(filter_data, found.data, FIELDS, frozenset(SCOPES))),
        Part("9 filter", "none closed", partial(filter_data, found.data, FIELDS, frozenset().union(*FIELDS.values()))),
        Part("journal", "pseudonym", partial(pseudonym, KEY, WHO)),
        Part("journal", "encode record", partial(encode_access, _access())),
    ]


def worker_parts() -> list[Part]:
    request = wire_request()
    answer = Answer(200, UPSTREAM_HEADERS, UPSTREAM_BODY)
    file = read(answer, Month(2026, 4), TODAY)
    return [
        Part("8 worker", "decode request", partial(decode_request, request)),
        Part("8 worker", "question to the hub", partial(hub_query_of, WHO)),
        Part("8 worker", "read the hub's file", partial(read, answer, Month(2026, 4), TODAY)),
        Part("8 worker", "encode reply", lambda: encode(Found(Raw(msgspec.json.encode(file))))),
    ]


@asynccontextmanager
async def upstream_parts(url: str) -> AsyncIterator[list[Part]]:
    """Yields three parts to measure, all of which send a request to the upstream (the provider's API): with aiohttp
    alone, with the worker kit, and in the worker's complete handler of a lookup."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout()) as session, _hub(url) as hub:

        async def plain() -> None:
            async with session.get(f"{url}/qf") as answer:
                await answer.read()

        async def handled() -> None:
            with within(Deadline.after(10)):
                await quotient_familial(_QUESTION, hub)

        yield [
            Part("8 worker", "ask the hub, aiohttp alone", plain),
            Part("8 worker", "ask the hub", hub.get),
            Part("8 worker", "handle a lookup", handled),
        ]


def _hub(url: str) -> UpstreamClient:
    settings = HubSettings(
        hub_url=f"{url}/qf",
        hub_token_url=f"{url}/token",
        hub_client_id="bench",
        hub_client_secret=Secret("bench"),
        hub_scope="bench",
    )
    return UpstreamClient(hub_upstream("bench", "hub", settings), "bench", settings)


_QUESTION = WorkerQuestion(
    identity=WHO, parameters={}, caller=Caller(recipient=RECIPIENT), request_id=REQUEST_ID, today=TODAY
)


def telemetry_parts() -> list[Part]:
    log = logging.getLogger("bouquet.bench")
    requests, seconds = (
        metrics.REQUESTS.labels(OPERATION.id, "v3", 200, ""),
        metrics.REQUEST_SECONDS.labels(OPERATION.id),
    )

    def span(provider: TracerProvider) -> None:
        with provider.get_tracer("bench").start_as_current_span("lookup", kind=SpanKind.SERVER, attributes={"a": "b"}):
            pass

    def labelled() -> None:
        metrics.REQUESTS.labels(OPERATION.id, "v3", 200, "").inc()
        metrics.REQUEST_SECONDS.labels(OPERATION.id).observe(0.01)

    def call() -> None:
        with spans.send_span("rabbitmq", "cnaf") as current:
            outcomes.record_outcome(current, NOBODY, calls, "cnaf", "lookup")

    def bound() -> None:
        requests.inc()
        seconds.observe(0.01)

    facts = {"operation": OPERATION.id, "status": 200, "duration_ms": 3.2, "cached": False}
    return [
        Part("telemetry", "span, not sampled", partial(span, TracerProvider(ParentBasedTraceIdRatio(0.0)))),
        Part("telemetry", "span, sampled", partial(span, TracerProvider(ParentBasedTraceIdRatio(1.0)))),
        Part("telemetry", "span and metric of a call", call),
        Part("telemetry", "traceparent", spans.traceparent),
        Part("telemetry", "counter and histogram", labelled),
        Part("telemetry", "the same, bound before", bound),
        Part("telemetry", "log line", lambda: log.info("request answered", extra=facts)),
        Part("telemetry", "request id", lambda: str(uuid.uuid4())),
    ]


@asynccontextmanager
async def cache_parts() -> AsyncIterator[list[Part]]:
    async with open_cache(Secret("memory:"), KEY) as cache:
        numbers = count()
        await cache.set("known", UPSTREAM_BODY, 3600)

        async def alone() -> None:
            marker = str(next(numbers))
            await cache.add(marker, 60)
            await cache.delete(marker)

        yield [
            Part("6 cache", "hit", partial(cache.get, "known")),
            Part("6 cache", "miss", partial(cache.get, "unknown")),
            Part("6 cache", "set", lambda: cache.set(str(next(numbers)), UPSTREAM_BODY, 3600)),
            Part("6 cache", "mark a call in flight, and unmark it", alone),
        ]


@asynccontextmanager
async def bus_parts(bus: Bus, theirs: Bus, name: str) -> AsyncIterator[list[Part]]:
    """Yields two parts to measure: a single call over the bus, and `TOGETHER` concurrent calls. The worker runs in this
    process too."""
    reply = decode_reply(wire_reply())

    async def handle(_: Request) -> Reply:
        return reply

    async def call() -> None:
        assert await bus.call("bench", _lookup()) == reply

    async def calls() -> None:
        await asyncio.gather(*(call() for _ in range(TOGETHER)))

    async with theirs.serve("bench", handle, concurrency=TOGETHER):
        yield [
            Part("8 bus.call", f"{name}: there and back, alone", call),
            Part("8 bus.call", f"{name}: there and back, {TOGETHER} together", calls, TOGETHER),
        ]


def _lookup() -> Lookup:
    request = decode_request(wire_request(Deadline.after(10).at))
    assert isinstance(request, Lookup)
    return request


def _access() -> Access:
    return Access(
        id=REQUEST_ID,
        at=1.8e9,
        outcome="found",
        status=200,
        operation=OPERATION.id,
        habilitation=REQUEST_ID,
        token=REQUEST_ID,
        recipient=RECIPIENT,
        provider="cnaf",
        regime="cnaf",
        duration_ms=3.2,
        trace_id="0af7651916cd43dd8448eb211c80319c",
        person="e3" * 32,
        key="2026",
    )
