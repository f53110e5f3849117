"""`make bench`: Bouquet and its peers, interleaved, against the goals of issue 6.

Exit status: 0 when every "reach" holds, 1 when a figure falls short, 3 when none does but some could not be measured.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from pathlib import Path

from bench import accounting, coldstart, report, rounds
from bench.contenders import EVERY, Arena, Contender, arena
from bench.goals import ALONE, GOALS, LOADED, Measured, Result, exit_status, judge
from bench.programs import PEERS_PYTHON, ROOT
from bench.windows import Window

RESULTS = ROOT / "bench" / "results" / "latest.json"
SETTLING_S = 2.0
"""From the last process's readiness to the reading of idle memory."""


def main() -> int:
    given = _arguments()
    lengths = rounds.QUICK if given.quick else rounds.FULL
    if not PEERS_PYTHON.exists():
        print("no peers: `make bench` makes their environment; their rows will be missing", file=sys.stderr)
    quiet_cores = math.inf if given.anyhow else accounting.QUIET_CORES
    needs = 1 if given.quick else None
    began = time.monotonic()
    cold_start_s = [] if given.only else coldstart.cold_starts_s(1 if given.quick else 3, quiet_cores)
    with (
        tempfile.TemporaryDirectory(prefix="bouquet-bench-") as folder,
        arena(Path(folder), peers=PEERS_PYTHON.exists()) as here,
    ):
        time.sleep(SETTLING_S)
        gateway_mb, worker_mb = _resident_mb(here)
        windows: list[Window] = []
        calibrations_ms: list[float] = []

        def so_far() -> Measured:
            return Measured(windows=windows, gateway_mb=gateway_mb, worker_mb=worker_mb, cold_start_s=cold_start_s)

        def judged() -> list[Result]:
            return [judge(goal, so_far(), needs=needs) for goal in GOALS]

        contenders = [one for one in here.contenders if not given.only or one.name in given.only]
        for number in range(lengths.rounds + lengths.more_rounds):
            more = number >= lengths.rounds
            missing = any(result.verdict == "not measurable" for result in judged())
            if time.monotonic() - began > lengths.budget_s or (more and not missing):
                break
            calibrations_ms.append(rounds.calibration_ms())
            concurrencies = given.concurrency or ((ALONE, LOADED) if more else EVERY)
            for window in rounds.measured_in(number, contenders, concurrencies, lengths, quiet_cores):
                print(report.line_of(window), flush=True)
                windows.append(window)
        peak_mb = _peaks_mb(contenders)
    results = judged()
    print("\n".join(("", report.windows_table(windows), "", report.ratios_table(windows), "")))
    print(report.goals_table(results))
    report.save(given.output, so_far(), results, peak_mb=peak_mb, calibration_ms=calibrations_ms)
    return exit_status(results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short rounds, for development")
    parser.add_argument("--only", action="append", help="a contender, for development; may be repeated")
    parser.add_argument("--concurrency", type=int, action="append", choices=EVERY)
    parser.add_argument(
        "--anyhow", action="store_true", help="believe every window, whoever else is at work: figures not to be quoted"
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args()


def _resident_mb(here: Arena) -> tuple[list[float], list[float]]:
    """Of the gateway and of a worker that answers, before their first lookup."""
    gateway, worker = (accounting.resident_mb(one.pid) for one in (here.mesh.gateway, here.mesh.workers[0]))
    return [gateway], [worker]


def _peaks_mb(contenders: list[Contender]) -> dict[str, dict[str, float]]:
    """By contender and role, the sum of its processes' own peaks."""
    return {
        one.name: {
            role: sum(accounting.resident_mb(daemon.pid, peak=True) for daemon in daemons)
            for role, daemons in one.parts.items()
        }
        for one in contenders
    }


if __name__ == "__main__":
    sys.exit(main())
