"""CPU and memory of our processes, and the CPU that everybody else took meanwhile: from /proc, so Linux alone.

Outside load is counted process by process. The machine's total less ours would do worse: it charges to others the
interrupts that our own traffic causes, and so prefers slow windows to fast ones.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

PROC = Path("/proc")
QUIET_CORES = 0.10
"""The most that others may take of the machine while we measure it."""

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Process(Struct, frozen=True):
    parent: int
    cpu_s: float
    """Of it and of the children that it has waited for, so that nothing is lost when one ends."""


class Moment(Struct, frozen=True):
    """Every process of the machine at one time."""

    at: float
    steal_s: float
    """What the host took from this machine for others."""
    processes: Mapping[int, Process]

    def tree(self, root: int) -> frozenset[int]:
        """A process and all that descend from it."""
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
        """Of a whole tree, since its beginning."""
        return sum(self.processes[pid].cpu_s for pid in self.tree(root) & self.processes.keys())


def now() -> Moment:
    processes = {int(entry.name): read for entry in PROC.iterdir() if entry.name.isdigit() if (read := _process(entry))}
    return Moment(time.monotonic(), _steal_s((PROC / "stat").read_text()), processes)


def outside_cores(before: Moment, after: Moment, ours: int) -> float:
    """How many cores all processes but the tree of `ours` kept busy, the host's other guests included."""
    taken_s = _all_but(after, ours) - _all_but(before, ours) + after.steal_s - before.steal_s
    return max(0.0, taken_s) / (after.at - before.at)


def _all_but(moment: Moment, root: int) -> float:
    ours = moment.tree(root)
    return sum(process.cpu_s for pid, process in moment.processes.items() if pid not in ours)


def _process(folder: Path) -> Process | None:
    """`None` for one that has just ended."""
    try:
        stat = (folder / "stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()  # a name may hold spaces and parentheses
    return Process(parent=int(fields[1]), cpu_s=sum(map(int, fields[11:15])) * TICK_S)


def _steal_s(stat: str) -> float:
    return int(stat.split(maxsplit=9)[8]) * TICK_S


def resident_mb(pid: int, *, peak: bool = False) -> float:
    """What a process has in memory, or has had at most. Nothing when it has ended."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(wanted)), 0.0)
