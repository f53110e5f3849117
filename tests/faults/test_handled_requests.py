"""Tests of faults F26, F28 of docs/faults.md: traces and correlation ids of handled requests, and failing handlers."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from aio_pika.abc import AbstractChannel
from msgspec import Raw
from opentelemetry.trace import SpanKind

from bouquet_mesh.bus.amqp import AmqpBus
from bouquet_mesh.observe import spans
from bouquet_proto.messages import Failed, Found, Reply, Request
from tests.support.bus import FOUND, PROVIDER, lookup_request, serving
from tests.support.spans import recorded_spans

pytestmark = pytest.mark.broker


async def test_f26_each_of_many_requests_in_one_consumer_is_handled_in_its_own_trace(caller: AmqpBus) -> None:
    together = asyncio.Barrier(10)

    async def handler(_: Request) -> Reply:
        before = spans.traceparent()[:35]
        await together.wait()
        assert spans.traceparent()[:35] == before
        return Found(Raw(f'{{"trace":"{before}"}}'.encode()))

    async def call(id: str) -> tuple[str, Reply]:
        with spans.span(id, SpanKind.SERVER, {}):
            return spans.traceparent()[:35], await caller.call(PROVIDER, lookup_request(id))

    with recorded_spans():
        async with serving(caller, handler, concurrency=10):
            told = await asyncio.gather(*(call(f"{n}") for n in range(10)))
    assert len({trace for trace, _ in told}) == 10
    assert [reply for _, reply in told] == [Found(Raw(f'{{"trace":"{trace}"}}'.encode())) for trace, _ in told]


async def test_f26_a_reply_has_the_correlation_id_of_its_request(caller: AmqpBus, operator: AbstractChannel) -> None:
    """Tests that each reply reaches the caller of its own request, even if requests are answered in reverse order."""
    may_answer = [asyncio.Event() for _ in range(10)]
    may_answer[-1].set()

    async def handler(request: Request) -> Reply:
        number = int(request.id)
        await may_answer[number].wait()
        may_answer[number - 1].set()
        return Found(Raw(f'{{"id":"{number}"}}'.encode()))

    async with serving(caller, handler, concurrency=10):
        replies = await asyncio.gather(*(caller.call(PROVIDER, lookup_request(f"{number}")) for number in range(10)))
    assert replies == [Found(Raw(f'{{"id":"{number}"}}'.encode())) for number in range(10)]


class ErrorWithPersonalText(Exception):
    def __str__(self) -> str:
        raise self

    def __reduce__(self) -> str:
        raise self


@pytest.mark.parametrize(
    "answer",
    [
        None,
        object(),
        Failed("upstream_timeout", meta=cast(Any, {"when": object()})),
        ErrorWithPersonalText(),
        RecursionError(),
    ],
    ids=["nothing", "no reply", "what JSON cannot say", "an exception that cannot be written", "too deep"],
)
async def test_f28_a_failing_handler_is_a_typed_error_and_frees_its_place(caller: AmqpBus, answer: object) -> None:
    async def handler(request: Request) -> Reply:
        if request.id != "bad":
            return FOUND
        if isinstance(answer, Exception):
            raise answer
        return cast(Reply, answer)

    async with serving(caller, handler, concurrency=1):
        assert await caller.call(PROVIDER, lookup_request("bad")) == Failed("worker_bug")
        assert await caller.call(PROVIDER, lookup_request("good")) == FOUND
