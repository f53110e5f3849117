"""Tests of the bus on both transports, memory and RabbitMQ. Tests that need RabbitMQ's own behaviour are in
test_bus_amqp.py."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest
from msgspec import Raw, Struct, structs
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import REGISTRY

from bouquet_mesh.bus import api
from bouquet_mesh.bus.api import Bus, Handler
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.observe import spans
from bouquet_mesh.settings import SettingsError
from bouquet_proto.messages import Describe, Failed, Found, NotFound, Rejected, Reply, Request
from tests.support.bus import FOUND, PROVIDER, BlockedHandler, lookup_request, reply_found, serving, until_reply
from tests.support.waiting import TEST_TIMEOUT_S, until

CLOCK_S = 0.02
"""Seconds by which a call may end before its deadline, because timers and deadlines use different clocks."""
BROKERS = [pytest.param(name, marks=pytest.mark.broker) for name in ("rabbitmq3", "rabbitmq4")]


@pytest.fixture(scope="module", params=["memory", *BROKERS])
def url(request: pytest.FixtureRequest) -> str:
    return "memory:" if request.param == "memory" else str(request.getfixturevalue(request.param).vhost())


@pytest.fixture
async def bus(url: str) -> AsyncIterator[Bus]:
    async with open_bus(url, "tests") as bus:
        await until(lambda: bus.ready)
        yield bus


@pytest.fixture
def any_time_in_transit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a request be in transit for as long as the machine takes. Without this fixture, a worker takes more than
    half a second in transit for a wrong clock, and sets another deadline."""
    monkeypatch.setattr(api, "CLOCK_TOLERANCE_S", math.inf)


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(spans, "_tracer", provider.get_tracer("tests"))
    yield exporter
    provider.shutdown()


@pytest.mark.parametrize(
    "reply",
    [
        FOUND,
        NotFound("unknown_person", {"provider": "CNAF"}),
        Rejected("ambiguous"),
        Failed("upstream_timeout", retry_in_s=30, meta={"attempts": 2}),
    ],
    ids=lambda reply: reply.__struct_config__.tag,
)
async def test_a_call_returns_the_reply_of_the_handler(bus: Bus, reply: Reply) -> None:
    async def handler(_: Request) -> Reply:
        return reply

    async with serving(bus, handler):
        assert await bus.call(PROVIDER, lookup_request()) == reply


@pytest.mark.usefixtures("any_time_in_transit")
async def test_a_handler_receives_the_request_that_was_sent(bus: Bus) -> None:
    received: list[Request] = []

    async def handler(request: Request) -> Reply:
        received.append(structs.replace(request, traceparent=""))
        return FOUND

    sent = lookup_request()
    async with serving(bus, handler):
        await bus.call(PROVIDER, sent)
    assert received == [sent]


async def test_a_call_with_describe_returns_a_workers_offer(bus: Bus) -> None:
    async def handler(request: Request) -> Reply:
        return Found(Raw(b'{"provider":"cnaf"}')) if isinstance(request, Describe) else Failed("worker_bug")

    async with serving(bus, handler):
        describe = Describe(id="d", deadline=lookup_request().deadline)
        assert await bus.call(PROVIDER, describe) == Found(Raw(b'{"provider":"cnaf"}'))


async def test_a_call_to_a_provider_without_a_worker_fails_as_not_deployed_before_the_deadline(bus: Bus) -> None:
    assert await bus.call("nobody", lookup_request(within_s=3600)) == Failed("not_deployed")


async def test_a_provider_is_not_deployed_once_its_last_worker_has_stopped(bus: Bus) -> None:
    async with serving(bus, reply_found):
        assert await bus.call(PROVIDER, lookup_request()) == FOUND
    await until_reply(bus, Failed("not_deployed"))


async def test_a_stopped_worker_consumes_nothing(bus: Bus) -> None:
    async with serving(bus, reply_found) as consumer:
        assert consumer.consuming
    assert not consumer.consuming


async def test_a_provider_can_be_served_again_after_its_worker_stopped(bus: Bus) -> None:
    async with serving(bus, reply_found):
        pass
    async with serving(bus, reply_found):
        assert await bus.call(PROVIDER, lookup_request()) == FOUND


async def test_a_call_ends_by_its_deadline_whatever_the_handler_does(bus: Bus) -> None:
    async with serving(bus, BlockedHandler()):
        request = lookup_request(within_s=0.2)
        assert await bus.call(PROVIDER, request) == Failed("deadline_exceeded")
        assert time.time() >= request.deadline - CLOCK_S


async def test_a_handler_is_stopped_at_the_deadline_of_its_caller(bus: Bus) -> None:
    blocked = BlockedHandler()
    async with serving(bus, blocked):
        within_s = 0.2
        while not blocked.received:  # on a busy machine, a request may reach the handler only with a later deadline
            assert await bus.call(PROVIDER, lookup_request("late", within_s=within_s)) == Failed("deadline_exceeded")
            within_s *= 2
        await until(lambda: blocked.cancelled == blocked.received)


@pytest.mark.usefixtures("any_time_in_transit")
async def test_work_that_expired_while_it_waited_is_not_started(bus: Bus) -> None:
    blocked = BlockedHandler()
    async with serving(bus, blocked, concurrency=1):
        first = asyncio.create_task(bus.call(PROVIDER, lookup_request("first")))
        await blocked.until_called()
        expired = lookup_request("expired", within_s=0.1)
        assert await bus.call(PROVIDER, expired) == Failed("deadline_exceeded")
        await until(lambda: time.time() > expired.deadline)  # the call's timer uses another clock
        blocked.release.set()
        await bus.call(PROVIDER, lookup_request("third"))
        await first
    assert blocked.received == ["first", "third"]


async def test_a_call_whose_deadline_has_passed_is_not_sent(bus: Bus) -> None:
    blocked = BlockedHandler()
    blocked.release.set()
    async with serving(bus, blocked):
        assert await bus.call(PROVIDER, lookup_request("dead", within_s=-1)) == Failed("deadline_exceeded")
        await bus.call(PROVIDER, lookup_request("alive"))
    assert blocked.received == ["alive"]


async def test_no_more_handlers_run_at_a_time_than_the_concurrency(bus: Bus) -> None:
    pairs, running, seen = asyncio.Barrier(2), 0, []

    async def handler(_: Request) -> Reply:
        nonlocal running
        running += 1
        seen.append(running)
        await pairs.wait()
        running -= 1
        return FOUND

    async with serving(bus, handler, concurrency=2):
        replies = await asyncio.gather(*(bus.call(PROVIDER, lookup_request()) for _ in range(6)))
    assert replies == [FOUND] * 6
    assert max(seen) == 2


async def test_calls_to_five_providers_take_as_long_as_the_slowest(bus: Bus) -> None:
    together = asyncio.Barrier(5)  # each handler waits for the four others: one after another they would never end

    async def handler(_: Request) -> Reply:
        await together.wait()
        return FOUND

    async with AsyncExitStack() as workers:
        for name in "abcde":
            await workers.enter_async_context(serving(bus, handler, provider=name))
        replies = await asyncio.gather(*(bus.call(name, lookup_request()) for name in "abcde"))
    assert replies == [FOUND] * 5


async def test_a_slow_call_does_not_hold_up_the_others_of_its_provider(bus: Bus) -> None:
    blocked = BlockedHandler()

    async def handler(request: Request) -> Reply:
        return await blocked(request) if request.id == "slow" else FOUND

    async with serving(bus, handler):
        slow = asyncio.create_task(bus.call(PROVIDER, lookup_request("slow")))
        await blocked.until_called()
        assert await bus.call(PROVIDER, lookup_request("quick")) == FOUND
        blocked.release.set()
        assert await slow == FOUND


async def test_two_workers_share_the_requests_of_their_provider(bus: Bus) -> None:
    both, seen = asyncio.Barrier(2), Counter[str]()

    def worker(name: str) -> Handler:
        async def handler(_: Request) -> Reply:
            seen[name] += 1
            await both.wait()  # with one request at a time, each worker must have got one
            return FOUND

        return handler

    async with serving(bus, worker("a"), concurrency=1), serving(bus, worker("b"), concurrency=1):
        replies = await asyncio.gather(*(bus.call(PROVIDER, lookup_request()) for _ in range(4)))
    assert replies == [FOUND] * 4
    assert seen == {"a": 2, "b": 2}


async def test_an_exception_is_a_worker_bug_whose_text_is_logged_nowhere(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(_: Request) -> Reply:
        raise ValueError("DURANT, née le 28/02/1990")

    with caplog.at_level(logging.INFO):
        async with serving(bus, handler):
            assert await bus.call(PROVIDER, lookup_request()) == Failed("worker_bug")
    [told] = [record for record in caplog.records if record.getMessage() == "worker bug"]
    assert vars(told)["error"] == "ValueError"
    assert vars(told)["at"].startswith("test_bus.py:")
    assert not [record for record in caplog.records if "DURANT" in repr(vars(record)) + caplog.text]


@pytest.mark.parametrize(
    "answer",
    [None, {"valeur": 1}, Found(Raw(b"{}")).data, Failed("upstream_timeout", meta=cast(Any, {"when": object()}))],
    ids=["nothing", "a dict", "bare data", "what JSON cannot say"],
)
async def test_an_answer_that_is_no_reply_is_a_worker_bug_and_frees_its_slot(bus: Bus, answer: object) -> None:
    async def handler(request: Request) -> Reply:
        return cast(Reply, answer) if request.id == "bad" else FOUND

    async with serving(bus, handler, concurrency=1):
        assert await bus.call(PROVIDER, lookup_request("bad")) == Failed("worker_bug")
        assert await bus.call(PROVIDER, lookup_request("good")) == FOUND


async def test_a_timeout_error_raised_by_a_handler_is_a_worker_bug(bus: Bus) -> None:
    async def handler(_: Request) -> Reply:
        raise TimeoutError

    async with serving(bus, handler):
        assert await bus.call(PROVIDER, lookup_request()) == Failed("worker_bug")


class Stranger(Struct, frozen=True, tag="stranger"):
    """Request of a type unknown to workers, as a newer version of Bouquet might send."""

    deadline: float
    traceparent: str = ""


async def test_a_malformed_request_gets_a_failed_reply_and_frees_its_slot(bus: Bus) -> None:
    async with serving(bus, reply_found, concurrency=1):
        stranger = cast(Request, Stranger(deadline=lookup_request().deadline))
        assert await bus.call(PROVIDER, stranger) == Failed("malformed_request")
        assert await bus.call(PROVIDER, lookup_request()) == FOUND


async def test_data_that_is_not_json_is_a_malformed_reply(bus: Bus) -> None:
    async def handler(_: Request) -> Reply:
        return Found(Raw(b"<html>"))

    async with serving(bus, handler):
        assert await bus.call(PROVIDER, lookup_request()) == Failed("malformed_reply")


async def test_a_large_reply_comes_back_whole(bus: Bus) -> None:
    large = Found(Raw(b'{"text":"' + b"x" * 1_000_000 + b'"}'))

    async def handler(_: Request) -> Reply:
        return large

    async with serving(bus, handler):
        assert await bus.call(PROVIDER, lookup_request()) == large


async def at_work(bus: Bus, handler: Handler) -> asyncio.Task[None]:
    """Starts a worker, and returns its task once the worker takes requests. Tests cancel the task to stop the
    worker."""
    ready = asyncio.Event()

    async def work() -> None:
        async with serving(bus, handler, drain_s=TEST_TIMEOUT_S):
            ready.set()
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await ready.wait()
    return working


async def test_a_stopping_worker_finishes_running_requests_and_takes_no_new_ones(bus: Bus) -> None:
    blocked = BlockedHandler()
    working = await at_work(bus, blocked)
    begun = asyncio.create_task(bus.call(PROVIDER, lookup_request("begun")))
    await blocked.until_called()
    working.cancel()
    await until_reply(bus, Failed("not_deployed"))
    assert not working.done()
    blocked.release.set()
    assert await begun == FOUND
    await asyncio.wait([working], timeout=TEST_TIMEOUT_S)
    assert working.cancelled()


async def test_a_stopping_worker_cancels_handlers_at_its_drain_limit(bus: Bus) -> None:
    blocked = BlockedHandler()
    async with serving(bus, blocked, drain_s=0.05):
        call = asyncio.create_task(bus.call(PROVIDER, lookup_request("endless", within_s=3600)))
        await blocked.until_called()
    assert blocked.cancelled == ["endless"]
    call.cancel()


async def test_a_worker_cancelled_while_it_drains_leaves_no_handler_running(bus: Bus) -> None:
    blocked = BlockedHandler()
    working = await at_work(bus, blocked)
    call = asyncio.create_task(bus.call(PROVIDER, lookup_request("begun")))
    await blocked.until_called()
    working.cancel()
    await until_reply(bus, Failed("not_deployed"))
    working.cancel()
    await asyncio.wait([working], timeout=TEST_TIMEOUT_S)
    assert working.cancelled()
    assert "begun" in blocked.cancelled
    call.cancel()


async def test_a_cancelled_call_leaves_nothing_pending_and_its_late_reply_is_ignored(bus: Bus) -> None:
    blocked = BlockedHandler()
    async with serving(bus, blocked):
        await bus.call("nobody", lookup_request())
        before = asyncio.all_tasks()
        call = asyncio.create_task(bus.call(PROVIDER, lookup_request("cancelled")))
        await blocked.until_called()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        blocked.release.set()
        assert await bus.call(PROVIDER, lookup_request("next")) == FOUND
        await until(lambda: asyncio.all_tasks() <= before)


async def test_a_reply_after_the_deadline_is_ignored(bus: Bus) -> None:
    async def handler(request: Request) -> Reply:
        if request.id == "late":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return NotFound("too_late")  # a handler that does not let cancellation pass
        return FOUND

    async with serving(bus, handler):
        assert await bus.call(PROVIDER, lookup_request("late", within_s=0.1)) == Failed("deadline_exceeded")
        assert await bus.call(PROVIDER, lookup_request("next")) == FOUND


async def fail(_: Request) -> Reply:
    raise ValueError("DURANT")


NOT_KEPT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0{}"
BUG = {"bouquet.outcome": "failed", "bouquet.reason": "worker_bug", "error.type": "worker_bug"}


@pytest.mark.parametrize(
    ("handler", "outcome", "status"),
    [(reply_found, {"bouquet.outcome": "found"}, StatusCode.UNSET), (fail, BUG, StatusCode.ERROR)],
    ids=["found", "failed"],
)
async def test_a_call_makes_the_same_two_spans_on_both_transports(
    bus: Bus, finished: InMemorySpanExporter, handler: Handler, outcome: dict[str, str], status: StatusCode
) -> None:
    async with serving(bus, handler):
        await bus.call(PROVIDER, lookup_request())
    process, send = finished.get_finished_spans()
    common = {"messaging.destination.name": "bouquet.q.cnaf", "bouquet.provider": "cnaf"}
    sent = {"messaging.operation.name": "send", "messaging.operation.type": "send"}
    processed = {"messaging.operation.name": "process", "messaging.operation.type": "process"}
    assert facts_of(send) == ("send cnaf", SpanKind.PRODUCER, status, common | sent | outcome)
    assert facts_of(process) == (
        "process cnaf",
        SpanKind.CONSUMER,
        status,
        common | processed | {"bouquet.operation": "op"} | outcome,
    )


async def test_the_workers_span_is_a_child_of_the_callers(bus: Bus, finished: InMemorySpanExporter) -> None:
    async with serving(bus, reply_found):
        await bus.call(PROVIDER, lookup_request())
    process, send = finished.get_finished_spans()
    assert send.parent is None and process.parent and send.context
    assert (process.parent.trace_id, process.parent.span_id) == (send.context.trace_id, send.context.span_id)


@pytest.mark.parametrize("flags", ["0", "2"], ids=["none", "random"])
async def test_a_call_in_an_unsampled_trace_makes_no_span_and_keeps_the_trace_id(
    bus: Bus, finished: InMemorySpanExporter, flags: str
) -> None:
    traceparent = NOT_KEPT.format(flags)
    heard: list[str] = []

    async def hear(request: Request) -> Reply:
        heard.extend((request.traceparent, spans.traceparent()))
        return await reply_found(request)

    async with serving(bus, hear):
        with spans.within_trace({"traceparent": traceparent}):
            await bus.call(PROVIDER, lookup_request())
    assert heard == [traceparent, traceparent]
    assert not finished.get_finished_spans()


async def test_no_span_records_an_exception_whose_text_may_quote_the_person(
    bus: Bus, finished: InMemorySpanExporter
) -> None:
    async with serving(bus, fail):
        await bus.call(PROVIDER, lookup_request())
    assert not [span for span in finished.get_finished_spans() if span.events or "DURANT" in span.to_json()]


async def test_calls_are_counted_by_outcome_on_both_sides(bus: Bus) -> None:
    labels = {
        "provider": PROVIDER,
        "request": "lookup",
        "outcome": "failed",
        "reason": "worker_bug",
        "fault": "platform",
    }

    def counted() -> tuple[float, ...]:
        names = ("bouquet_bus_calls_total", "bouquet_worker_requests_total")
        return tuple(REGISTRY.get_sample_value(name, labels) or 0.0 for name in names)

    calls, requests = counted()
    async with serving(bus, fail):
        await bus.call(PROVIDER, lookup_request())
    assert counted() == (calls + 1, requests + 1)


def facts_of(span: ReadableSpan) -> tuple[str, SpanKind, StatusCode, dict[str, Any]]:
    attributes = {name: value for name, value in (span.attributes or {}).items() if name != "messaging.system"}
    return span.name, span.kind, span.status.status_code, attributes


async def test_an_unknown_bus_url_is_refused_and_not_quoted() -> None:
    with pytest.raises(SettingsError, match="BUS_URL") as error:
        async with open_bus("http://user:secret@localhost", "tests"):
            pass
    assert "secret" not in str(error.value)
