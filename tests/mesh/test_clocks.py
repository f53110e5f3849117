"""What a worker makes of a gateway's deadline when their clocks differ."""

from __future__ import annotations

import logging

import pytest

from bouquet_mesh.clocks import AGREE_S, MOST_SENDERS, STUBBORN_S, Clocks

GIVEN_S = 10.0
SENT_AT = 1_000.0


class Worker:
    """A clock that is ahead of its gateways' by so much."""

    def __init__(self, ahead_s: float) -> None:
        self.ahead_s = ahead_s
        self._clocks = Clocks()

    def takes(self, *, at: float = SENT_AT, after_s: float = 0.0, sender: str = "gateway") -> float:
        """How long it believes to have for a request of that moment, on its way for so long."""
        now = at + after_s + self.ahead_s
        return self._clocks.ours(sender, at + GIVEN_S, GIVEN_S, now) - now


@pytest.mark.parametrize("ahead_s", [0.0, AGREE_S / 2, -AGREE_S / 2])
def test_clocks_that_nearly_agree_are_believed(ahead_s: float) -> None:
    assert Worker(ahead_s).takes(after_s=3) == pytest.approx(GIVEN_S - 3 - ahead_s)


@pytest.mark.parametrize("ahead_s", [-30.0, -8.0, -1.0])
def test_a_clock_that_is_behind_gives_nobody_more_time_than_there_was(ahead_s: float) -> None:
    worker = Worker(ahead_s)
    assert worker.takes() == pytest.approx(GIVEN_S)
    assert worker.takes(at=SENT_AT + 5, after_s=0.5) == pytest.approx(GIVEN_S - 0.5)


@pytest.mark.parametrize("ahead_s", [12.0, 30.0, 3600.0])
def test_a_clock_that_is_ahead_is_doubted_when_everything_comes_expired(ahead_s: float) -> None:
    worker = Worker(ahead_s)
    assert worker.takes() <= 0
    assert worker.takes(at=SENT_AT + STUBBORN_S / 2) <= 0
    assert worker.takes(at=SENT_AT + STUBBORN_S + 0.1) == pytest.approx(GIVEN_S)
    assert worker.takes(at=SENT_AT + STUBBORN_S + 1, after_s=4) == pytest.approx(GIVEN_S - 4)


def test_a_clock_that_is_a_little_ahead_costs_so_much_and_no_more() -> None:
    assert Worker(3.0).takes() == pytest.approx(GIVEN_S - 3)


def test_a_burst_of_expired_requests_is_what_it_seems() -> None:
    """As after a pause of the worker's: clocks that agreed are not doubted for it."""
    worker = Worker(0.0)
    worker.takes()
    late = [worker.takes(at=SENT_AT + n / 100, after_s=20 - n / 100) for n in range(50)]
    assert max(late) <= 0
    assert worker.takes(at=SENT_AT + 30) == GIVEN_S


@pytest.mark.parametrize("ahead_s", [30.0, -30.0, 5.0, -5.0])
def test_a_clock_that_is_set_right_is_believed_again(ahead_s: float) -> None:
    worker = Worker(ahead_s)
    for second in range(5):
        worker.takes(at=SENT_AT + second)
    worker.ahead_s = 0.0
    assert worker.takes(at=SENT_AT + 60, after_s=1) == pytest.approx(GIVEN_S - 1, abs=AGREE_S + 1)
    assert worker.takes(at=SENT_AT + 61) == pytest.approx(GIVEN_S)


def test_each_gateway_has_its_own_clock() -> None:
    worker = Worker(0.0)
    worker.takes(sender="another", at=SENT_AT + 30, after_s=-30)  # its clock is 30 s ahead
    assert worker.takes(sender="gateway", after_s=2) == pytest.approx(GIVEN_S - 2)
    assert worker.takes(sender="another", at=SENT_AT + 31, after_s=-30) == pytest.approx(GIVEN_S)


def test_gateways_that_have_gone_are_forgotten() -> None:
    worker = Worker(0.0)
    for number in range(3 * MOST_SENDERS):
        worker.takes(sender=f"gateway-{number}")
    assert len(worker._clocks._senders) <= MOST_SENDERS + 1


def test_a_difference_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker(-30.0)
    with caplog.at_level(logging.WARNING):
        for second in range(10):
            worker.takes(at=SENT_AT + second, after_s=0.1)
    assert [(record.message, vars(record)["ahead_s"]) for record in caplog.records] == [("clocks differ", -29.9)]
