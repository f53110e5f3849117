"""What one lookup costs each process, and what a process weighs: from the last `make bench`."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path

import msgspec

from bench.capacity.figure import Figure
from bench.goals import LOADED, Measured
from bench.windows import Window, trusted

PROCESSES = ("gateway", "worker", "broker", "registry")
PARTS = ("lookup", "process")


class _Report(msgspec.Struct, frozen=True):
    measured: Measured


def of(known: Iterable[Figure]) -> list[Figure]:
    """Those that `figures` gave once."""
    return [figure for figure in known if figure.part in PARTS]


def figures(report: Path) -> list[Figure]:
    """None without a report, or where it trusts no window."""
    if not report.exists():
        return []
    measured = msgspec.json.decode(report.read_bytes(), type=_Report).measured
    windows = trusted(measured.windows, "bouquet", LOADED)
    if not windows:
        return []
    idle_mb = {"gateway": measured.gateway_mb[0], "worker": measured.worker_mb[0]}
    return [
        *(Figure("lookup", process, _median_us(windows, process), "µs") for process in PROCESSES),
        *(Figure("process", f"{process}, idle", megabytes * 2**20, "bytes") for process, megabytes in idle_mb.items()),
    ]


def _median_us(windows: Iterable[Window], process: str) -> float:
    return statistics.median(window.cpu_per_1000[process] * 1000 for window in windows)
