"""Tests of the benchmark's verdicts: whether measurements meet a goal, and the exit status of a run."""

from __future__ import annotations

from typing import Any

import pytest

from bench.contenders import OVERLOADED
from bench.goals import GOALS, Goal, Measured, exit_status, judge
from bench.mesh import FEW_PLACES
from bench.report import line_of, windows_table
from bench.windows import Spread, Window, ratios, spread

RATE = next(goal for goal in GOALS if "raw aiormq" in goal.figure)
COST = next(goal for goal in GOALS if "CPU" in goal.figure)
KEPT = next(goal for goal in GOALS if "kept" in goal.figure)
ADDED = next(goal for goal in GOALS if "added p50" in goal.figure)


def window(contender: str, round: int = 0, **facts: Any) -> Window:
    given: dict[str, Any] = {
        "concurrency": 64,
        "requests": 1000,
        "errors": 0,
        "seconds": 1.0,
        "p50_ms": 10.0,
        "p95_ms": 20.0,
        "p99_ms": 30.0,
        "cpu_s": {},
        "outside_cores": 0.0,
        "trusted": True,
    }
    return Window(round=round, contender=contender, **given | facts)


def rates(contender: str, *per_s: int, **facts: Any) -> list[Window]:
    return [window(contender, round, requests=requests, **facts) for round, requests in enumerate(per_s)]


def shared(cpu_s: float) -> dict[str, float]:
    return {"gateway": cpu_s / 2, "worker": cpu_s / 4, "broker": cpu_s / 4, "registry": cpu_s, "load": cpu_s}


def verdict(goal: Goal, *windows: Window) -> str:
    return judge(goal, Measured(windows=[*windows])).verdict


def test_a_ratio_is_taken_within_a_round() -> None:
    windows = rates("bouquet", 500, 900) + rates("aiormq", 1000, 1000)
    assert ratios(windows, "bouquet", "aiormq", 64) == [0.5, 0.9]


def test_a_round_counts_only_where_both_sides_were_undisturbed() -> None:
    windows = [
        *rates("bouquet", 500, 900),
        window("aiormq", 0, requests=1000, trusted=False),
        window("aiormq", 1, requests=1000),
    ]
    assert ratios(windows, "bouquet", "aiormq", 64) == [0.9]


def test_another_concurrency_is_another_matter() -> None:
    windows = rates("bouquet", 500) + rates("aiormq", 1000, concurrency=16)
    assert ratios(windows, "bouquet", "aiormq", 64) == []


def test_a_peer_that_answered_nothing_gives_no_ratio() -> None:
    assert ratios(rates("bouquet", 500) + rates("aiormq", 0), "bouquet", "aiormq", 64) == []


def test_a_bouquet_that_answered_nothing_falls_short() -> None:
    assert verdict(RATE, *rates("bouquet", 0, 0), *rates("aiormq", 1000, 1000)) == "short"


def test_a_spread_tells_the_median_and_both_ends() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)
    assert spread([]) is None


@pytest.mark.parametrize(("per_s", "expected"), [(950, "aim"), (900, "aim"), (600, "reach"), (599, "short")])
def test_a_goal_of_more_is_judged_by_its_median(per_s: int, expected: str) -> None:
    windows = rates("bouquet", per_s, per_s, per_s) + rates("aiormq", 1000, 1000, 1000)
    assert verdict(RATE, *windows) == expected


@pytest.mark.parametrize(("cpu_s", "expected"), [(0.5, "aim"), (1.0, "reach"), (1.1, "short")])
def test_a_goal_of_less_is_judged_the_other_way(cpu_s: float, expected: str) -> None:
    assert verdict(COST, *rates("bouquet", 1000, 1000, cpu_s=shared(cpu_s))) == expected


def test_the_cost_of_a_lookup_is_that_of_the_whole_mesh_without_the_benchmark_s_own_processes() -> None:
    one = window(
        "bouquet", requests=500, cpu_s={"gateway": 0.2, "worker": 0.2, "broker": 0.1, "load": 1, "upstream": 1}
    )
    assert one.total_cpu_per_1000 == pytest.approx(1.0)
    assert one.cpu_per_1000["gateway"] == pytest.approx(0.4)


def test_the_added_latency_is_a_difference_within_a_round() -> None:
    windows = rates("bouquet", 1, 1, concurrency=1, p50_ms=1.5) + rates("proxy", 1, 1, concurrency=1, p50_ms=0.5)
    assert judge(ADDED, Measured(windows=windows)).reached == Spread(1.0, 1.0, 1.0, 2)


def test_what_is_kept_in_an_overload_is_a_ratio_within_a_round() -> None:
    peak = rates("bouquet full", 1000, 800, concurrency=FEW_PLACES)
    overload = rates("bouquet full", 900, 800, concurrency=OVERLOADED)
    assert judge(KEPT, Measured(windows=peak + overload)).reached == Spread(0.95, 0.9, 1.0, 2)


def test_one_round_is_not_enough_to_judge() -> None:
    assert verdict(RATE, *rates("bouquet", 900), *rates("aiormq", 1000)) == "not measurable"


def test_every_goal_is_not_measurable_without_measures() -> None:
    assert {judge(goal, Measured()).verdict for goal in GOALS} == {"not measurable"}


def test_the_exit_status_tells_short_from_unknown() -> None:
    short = judge(COST, Measured(windows=rates("bouquet", 1000, 1000, cpu_s=shared(9.0))))
    unknown = judge(COST, Measured())
    good = judge(COST, Measured(windows=rates("bouquet", 1000, 1000, cpu_s=shared(0.9))))
    assert exit_status([good]) == 0
    assert exit_status([good, unknown]) == 3
    assert exit_status([good, unknown, short]) == 1


def test_an_unreliable_window_is_reported_without_figures() -> None:
    disturbed = window("bouquet", requests=4321, outside_cores=0.7, trusted=False)
    told = line_of(disturbed) + windows_table([disturbed])
    assert "not measurable" in told
    assert "4321" not in told
