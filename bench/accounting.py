"""CPU and memory of the benchmark's processes, and CPU of all other processes, from Linux's /proc."""
# Outside load is summed process by process. It is not the machine's total less the benchmark's own CPU, since that
# would include the interrupts that the benchmark's traffic causes, and so reject windows with much traffic.

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

PROC = Path("/proc")
QUIET_CORES = 0.10
"""Largest average number of cores that other processes may use during a window (period of measurement). Above it, the
window's measurements do not count."""

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Process(Struct, frozen=True):
    parent: int
    cpu_s: float
    """CPU seconds of the process and of its children that have ended."""


class Snapshot(Struct, frozen=True):
    at: float
    steal_s: float
    """CPU seconds since boot in which the host ran other virtual machines instead of this one."""
    processes: Mapping[int, Process]

    def tree(self, root: int) -> frozenset[int]:
        children: dict[int, list[int]] = {}
        for pid, process in self.processes.items():
            children.setdefault(process.parent, []).append(pid)
        found, unseen = set(), [root]
        while unseen:
            pid = unseen.pop()
            found.add(pid)
            unseen += children.get(pid, [])
        return frozenset(found)

    def cpu_s(self, root: int) -> float:
        """Returns the CPU seconds that the process `root` and its present descendants have used since each of them
        started."""
        return sum(self.processes[pid].cpu_s for pid in self.tree(root) & self.processes.keys())


def now() -> Snapshot:
    processes = {int(entry.name): read for entry in PROC.iterdir() if entry.name.isdigit() if (read := _process(entry))}
    return Snapshot(time.monotonic(), _steal_s((PROC / "stat").read_text()), processes)


def outside_cores(before: Snapshot, after: Snapshot, ours: int) -> float:
    """Returns the average number of cores that were busy with other work between two snapshots: with all processes
    except `ours` and its descendants, and with other virtual machines of the host."""
    taken_s = _all_but(after, ours) - _all_but(before, ours) + after.steal_s - before.steal_s
    return max(0.0, taken_s) / (after.at - before.at)


def _all_but(moment: Snapshot, root: int) -> float:
    ours = moment.tree(root)
    return sum(process.cpu_s for pid, process in moment.processes.items() if pid not in ours)


def _process(folder: Path) -> Process | None:
    try:
        stat = (folder / "stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()  # a name may hold spaces and parentheses
    return Process(parent=int(fields[1]), cpu_s=sum(map(int, fields[11:15])) * TICK_S)


def _steal_s(stat: str) -> float:
    return int(stat.split(maxsplit=9)[8]) * TICK_S


def resident_mb(pid: int, *, peak: bool = False) -> float:
    """Returns the resident memory of a process in MB, or with `peak` the highest so far. Returns 0 if the process
    has ended."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(wanted)), 0.0)
