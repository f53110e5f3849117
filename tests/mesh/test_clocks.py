"""Tests of a worker whose clock differs from the sender's. It never handles a request for longer than the time left
when the request was sent."""

from __future__ import annotations

import time

import msgspec
import pytest

from bouquet_mesh.bus.api import answer
from bouquet_proto.deadline import CLOCK_TOLERANCE_S, Deadline
from bouquet_proto.messages import Failed, Reply, Request, decode_reply, encode
from tests.support.bus import FOUND, PROVIDER, lookup_request

GIVEN_S = 10.0
SENDERS_TIME = 1_800_000_000.0


class Worker:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, ahead_s: float) -> None:
        self._now = SENDERS_TIME + ahead_s
        monkeypatch.setattr(time, "time", lambda: self._now)

    async def left_s(self, *, in_queue_s: float = 0.0, in_process_s: float = 0.0, given_s: float = GIVEN_S) -> float:
        """Returns the seconds left until the deadline when the handler starts, or 0 if it does not start. The sender
        allows `GIVEN_S` seconds; the request spends `in_queue_s` of them in the queue, then `in_process_s` in the
        worker's process. `given_s` is the message's expiration (0 for none)."""
        left = [0.0]

        async def handler(request: Request) -> Reply:
            left.append(Deadline(request.deadline).left_s())
            return FOUND

        sent_at = SENDERS_TIME - in_queue_s - in_process_s
        body = encode(msgspec.structs.replace(lookup_request(), deadline=sent_at + GIVEN_S))
        reply = decode_reply(await answer(handler, "tests", PROVIDER, body, self._now - in_process_s, given_s))
        assert reply == (FOUND if left[1:] else Failed("deadline_exceeded"))
        return left[-1]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, ahead_s: float) -> Worker:
    return Worker(monkeypatch, ahead_s)


@pytest.mark.parametrize("ahead_s", [-3600.0, -30.0, -1.0, 1.0, 30.0, 3600.0])
async def test_a_worker_with_a_wrong_clock_gives_a_request_the_time_left_when_it_was_sent(worker: Worker) -> None:
    assert await worker.left_s() == pytest.approx(GIVEN_S)


@pytest.mark.parametrize("ahead_s", [0.0])
async def test_a_worker_with_a_right_clock_subtracts_the_time_in_transit(worker: Worker) -> None:
    assert await worker.left_s(in_queue_s=0.4) == pytest.approx(GIVEN_S - 0.4)


@pytest.mark.parametrize("ahead_s", [-CLOCK_TOLERANCE_S / 2, CLOCK_TOLERANCE_S / 2])
async def test_a_worker_whose_clock_nearly_agrees_gives_no_more_time_than_was_left(
    worker: Worker, ahead_s: float
) -> None:
    assert await worker.left_s() == pytest.approx(GIVEN_S - max(0.0, ahead_s))


@pytest.mark.parametrize("ahead_s", [0.0])
async def test_a_long_wait_in_the_queue_is_treated_like_a_wrong_clock(worker: Worker) -> None:
    """Tests a known limit: a worker takes a long wait in the queue for a wrong clock. Therefore it may still work on a
    request after the caller has given up."""
    assert await worker.left_s(in_queue_s=3.0) == pytest.approx(GIVEN_S)


@pytest.mark.parametrize("ahead_s", [-30.0, 0.0, 30.0])
async def test_the_time_within_the_workers_process_counts_with_any_clock(worker: Worker) -> None:
    assert await worker.left_s(in_process_s=4.0) == pytest.approx(GIVEN_S - 4)
    assert await worker.left_s(in_process_s=GIVEN_S + 1) == 0


@pytest.mark.parametrize("ahead_s", [0.0, 30.0])
async def test_a_request_without_an_expiration_keeps_its_senders_deadline(worker: Worker, ahead_s: float) -> None:
    assert await worker.left_s(given_s=0.0) == pytest.approx(max(0.0, GIVEN_S - ahead_s))
