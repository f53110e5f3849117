"""How much a process takes in, by numbers: no clock but ours, and requests that cost what we say."""

from __future__ import annotations

from statistics import mean

import pytest

from bouquet_gateway.load.adaptive_limit import FEWEST, Intake

MOST = 400
TURN_S = 0.02


class Machine:
    """A processor on which each request costs so much, spread over the `steps` turns after it was taken in."""

    def __init__(self, cost_s: float, *, steps: int = 7, share: float = 1.0) -> None:
        self.cost_s = cost_s
        self.share = share
        """Of the processor: the rest is for others."""
        self.worked_s = self.now = 0.0
        self.intake = Intake(MOST, TURN_S, worked_s=lambda: self.worked_s, clock=lambda: self.now)
        self._steps = [0] * steps

    def turn(self, come: int) -> tuple[int, float]:
        """How many of those who come are taken in, and how much work the turn was."""
        self.intake.begin()
        taken = sum(self.intake.takes() for _ in range(come))
        self._steps = [taken, *self._steps[:-1]]
        work_s = sum(self._steps) * self.cost_s / len(self._steps)
        self.worked_s += work_s
        self.now += work_s / self.share
        self.intake.end()
        return taken, work_s

    def rests(self, seconds: float) -> None:
        self._steps = [0] * len(self._steps)
        self.now += seconds

    def overloaded(self, seconds: float, times: float = 4.0) -> list[tuple[int, float]]:
        """So much more comes than can be worked on."""
        told, work_s, end = [], TURN_S, self.now + seconds
        while self.now < end:
            taken, work_s = self.turn(come=max(10, int(times * work_s / self.share / self.cost_s)))
            told.append((taken, work_s))
        return told


@pytest.mark.parametrize("cost_s", [0.0002, 0.001, 0.004])
@pytest.mark.parametrize("share", [1.0, 0.2])
def test_under_too_much_load_a_turn_is_as_long_as_it_may_be(cost_s: float, share: float) -> None:
    machine = Machine(cost_s, share=share)
    machine.overloaded(20.0)
    turns = machine.overloaded(20.0)
    assert 0.5 * TURN_S < mean(work_s for _, work_s in turns) < 2 * TURN_S
    assert max(work_s for _, work_s in turns) < 3 * TURN_S


def test_it_is_learnt_within_a_second() -> None:
    machine = Machine(0.001)
    machine.overloaded(1.0)
    assert max(work_s for _, work_s in machine.overloaded(1.0)) < 2 * TURN_S


def test_what_a_processor_can_work_on_is_all_taken_in() -> None:
    machine = Machine(0.001)
    assert all(machine.turn(come=come)[0] == come for come in [1, 5, 10, 15, 18] * 20)


def test_a_burst_is_taken_in_whole_and_again_a_second_later() -> None:
    machine = Machine(0.001)
    for _ in range(5):
        assert [machine.turn(come=100)[0] for _ in range(2)] == [100, 100]
        machine.rests(1.0)


def test_a_long_turn_now_and_then_holds_nobody_back() -> None:
    """A scrape of metrics, the memory's cleaning."""
    machine = Machine(0.001)
    for _ in range(20):
        machine.intake.begin()
        machine.worked_s += 0.2
        machine.now += 0.2
        machine.intake.end()
        assert all(machine.turn(come=10)[0] == 10 for _ in range(100))


def test_seconds_after_too_much_load_it_takes_in_as_much_as_before() -> None:
    machine = Machine(0.001)
    machine.overloaded(5.0)
    assert machine.intake.per_turn < 50
    machine.rests(4.0)
    assert machine.turn(come=MOST)[0] == MOST


def test_however_much_there_is_to_do_some_are_taken_in() -> None:
    machine = Machine(1.0)
    machine.overloaded(1000.0)
    assert {taken for taken, _ in machine.overloaded(100.0)} == {int(FEWEST)}


def test_others_on_the_processor_make_no_turn_longer() -> None:
    machine = Machine(0.001, share=0.05)
    assert all(machine.turn(come=10)[0] == 10 for _ in range(100))
    assert machine.now > 10
