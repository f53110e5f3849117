"""Tests of the CPU times and memory that the benchmark reads from /proc."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.accounting import Process, Snapshot, now, outside_cores, resident_mb
from bench.tally import percentile_ms

BUSY = "import time\nwhile time.process_time() < 0.2: pass"


def moment(at: float, steal_s: float = 0.0, **cpu_s: float) -> Snapshot:
    parents = {"p1": 0, "p2": 0, "p3": 2}
    return Snapshot(at, steal_s, {int(name[1:]): Process(parents[name], spent) for name, spent in cpu_s.items()})


def test_a_tree_is_a_process_and_all_its_descendants() -> None:
    assert moment(0, p1=1, p2=1, p3=1).tree(2) == {2, 3}


def test_outside_load_is_what_all_but_our_tree_have_used() -> None:
    before, after = moment(10, p1=1, p2=5, p3=5), moment(12, p1=2, p2=9, p3=9)
    assert outside_cores(before, after, ours=2) == 0.5


def test_what_the_host_took_for_others_is_outside_load() -> None:
    assert outside_cores(moment(10, p1=1), moment(12, steal_s=1.0, p1=1), ours=2) == 0.5


def test_a_process_of_others_that_ended_makes_no_negative_load() -> None:
    assert outside_cores(moment(10, p1=7), moment(12, p2=1), ours=2) == 0.0


def test_the_time_of_a_child_that_has_ended_is_not_lost() -> None:
    before = now()
    subprocess.run([sys.executable, "-c", BUSY], check=True)
    assert now().cpu_s(os.getpid()) - before.cpu_s(os.getpid()) >= 0.15


def test_peak_memory_is_at_least_what_is_resident_now() -> None:
    now_mb = resident_mb(os.getpid())  # first: it may grow before the peak is read
    assert resident_mb(os.getpid(), peak=True) >= now_mb > 1


@pytest.mark.parametrize(("share", "expected"), [(0.50, 50.0), (0.95, 95.0), (0.99, 99.0)])
def test_a_percentile_is_a_latency_that_was_measured(share: float, expected: float) -> None:
    assert percentile_ms([n / 1000 for n in range(1, 101)], share) == pytest.approx(expected)


def test_nothing_has_no_percentile() -> None:
    assert percentile_ms([], 0.5) == 0.0
