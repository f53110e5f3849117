"""Tests that the load of a chaos run counts every call, whatever is answered."""

from __future__ import annotations

from asyncio import StreamReader, StreamWriter

import pytest
from yarl import URL

from tests.chaos.invariants import Caller, Invariant, Rules
from tests.chaos.load import LoadResult, Plan, generate_load
from tests.support.raw_http_server import raw_server
from tests.support.waiting import until


async def load_answered_by(answer: bytes) -> LoadResult:
    """Runs a load against a server that answers each call with the bytes `answer`. Returns the result after some
    calls."""

    async def behave(_: StreamReader, writer: StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async with raw_server(behave) as server:
        port = URL(server.url).port
        assert port
        plan = Plan((port,), (Caller("", frozenset()),), Rules(60.0, frozenset()), 0, 0, per_second=50.0, at_once=4)
        async with generate_load(plan) as load:
            await until(lambda: server.requests > 5)
            return await load.result()


@pytest.mark.parametrize(
    ("answer", "said", "invariant"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\n{}", "502 garbage", Invariant.TYPED),
        (b"HTTP/1.1 200 OK\r\n\r\n", "none", Invariant.ANSWERED),
        (b"nothing of HTTP\r\n\r\n", "none", Invariant.ANSWERED),
    ],
    ids=["an empty error", "no length", "no HTTP"],
)
async def test_each_call_with_a_wrong_answer_counts_as_a_violation(
    answer: bytes, said: str, invariant: Invariant
) -> None:
    result = await load_answered_by(answer)
    assert result.answered == {said: result.asked}
    assert result.broken == {invariant: result.asked}
