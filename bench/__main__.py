"""`make bench`: measures Bouquet and the systems that it is compared with, in turns, and checks the goals of
docs/performance.md.

Exit status: 0 when every figure keeps to its bound "reach", 1 when one does not, 3 when none fails but some could not
be measured.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from pathlib import Path

from bench import accounting, coldstart, portal, report, rounds
from bench.contenders import EVERY, Contender, test_bed
from bench.goals import ALONE, GOALS, LOADED, NEEDED_ROUNDS, Measured, Result, exit_status, judge
from bench.programs import PEERS_PYTHON, ROOT

RESULTS = ROOT / "bench" / "results" / "latest.json"
SETTLING_S = 2.0
"""Seconds between the start of all processes and the reading of the memory that they use while idle."""


def main() -> int:
    given = _arguments()
    if not PEERS_PYTHON.exists():
        print("no peers: `make bench` makes their environment; their rows will be missing", file=sys.stderr)
    measured = _measured(given)
    results = _judged(measured, given)
    tables = (
        report.windows_table(measured.windows),
        report.ratios_table(measured.windows),
        report.memory_table(measured),
        report.goals_table(results),
    )
    print("", *tables, sep="\n\n")
    report.save(given.output, measured, results)
    return exit_status(results)


def _measured(given: argparse.Namespace) -> Measured:
    lengths = rounds.QUICK if given.quick else rounds.FULL
    until = time.monotonic() + lengths.budget_s
    quiet_cores = math.inf if given.anyhow else accounting.QUIET_CORES
    cold_start_s = [] if given.only else coldstart.cold_starts_s(lengths.cold_starts, quiet_cores)
    portal_p95_ms = [] if given.only else portal.p95s_ms(lengths.portal_windows, quiet_cores)
    with (
        tempfile.TemporaryDirectory(prefix="bouquet-bench-") as folder,
        test_bed(Path(folder), peers=PEERS_PYTHON.exists()) as here,
    ):
        time.sleep(SETTLING_S)
        gateway_mb, worker_mb = (accounting.resident_mb(one.pid) for one in (here.mesh.gateway, here.mesh.workers[0]))
        found = Measured(
            gateway_mb=[gateway_mb],
            worker_mb=[worker_mb],
            cold_start_s=cold_start_s,
            portal_p95_ms=portal_p95_ms,
        )
        contenders = [one for one in here.contenders if not given.only or one.name in given.only]
        for number in range(lengths.rounds + lengths.more_rounds):
            more = number >= lengths.rounds
            if time.monotonic() > until or (more and not _lacks_rounds(found, given)):
                break
            concurrencies = given.concurrency or ((ALONE, LOADED) if more else EVERY)
            found.calibrations_ms.append(rounds.calibration_ms())
            for window in rounds.measured_in(number, contenders, concurrencies, lengths, quiet_cores):
                print(report.line_of(window), flush=True)
                found.windows.append(window)
        found.peak_mb.update(_peaks_mb(contenders))
    return found


def _judged(measured: Measured, given: argparse.Namespace) -> list[Result]:
    return [judge(goal, measured, needs=1 if given.quick else NEEDED_ROUNDS) for goal in GOALS]


def _lacks_rounds(measured: Measured, given: argparse.Namespace) -> bool:
    results = zip(GOALS, _judged(measured, given), strict=True)
    return any(goal.by_rounds and result.verdict == "not measurable" for goal, result in results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short rounds, for development")
    parser.add_argument("--only", action="append", help="name of a contender to run, for development; may be repeated")
    parser.add_argument("--concurrency", type=int, action="append", choices=EVERY)
    parser.add_argument(
        "--anyhow", action="store_true", help="trust every window, even beside other load; do not quote the figures"
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    return parser.parse_args()


def _peaks_mb(contenders: list[Contender]) -> dict[str, dict[str, float]]:
    """Returns the peak memory in MB of each contender (compared system), by role, such as `gateway`. If a role has
    several processes, their peaks are added up."""
    return {
        one.name: {
            role: sum(accounting.resident_mb(daemon.pid, peak=True) for daemon in daemons)
            for role, daemons in one.parts.items()
        }
        for one in contenders
    }


if __name__ == "__main__":
    sys.exit(main())
