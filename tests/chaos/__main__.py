"""Commands `make chaos` and `make soak`: they load a mesh of real processes (chaos breaks parts of it on a schedule)
and report which promises of `tests/chaos/invariants.py` it kept.

Exit status: 0 when every promise was kept, 1 when one was not.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

import uvloop

from tests.chaos.runs import RunOptions, chaos, soak
from tests.support.rabbitmq import RELEASES

RUNS = {"chaos": chaos, "soak": soak}
PER_SECOND = {"chaos": 300.0, "soak": 0.0}
CLUSTER_PER_SECOND = 50.0


def main() -> int:
    given = _arguments()
    usual = CLUSTER_PER_SECOND if given.cluster else PER_SECOND[given.run]
    order = RunOptions(
        seconds=given.minutes * 60,
        seed=given.seed,
        per_second=usual if given.per_second is None else given.per_second,
        at_once=given.at_once,
        repeat=_repeat(given),
        rabbitmq=given.rabbitmq or (4 if given.cluster else 3),
        cluster=given.cluster,
        khepri=not given.mnesia,
        only=given.only,
        without=given.without,
        heals_within_s=60.0 if given.cluster else 30.0,
    )
    if not order.faults:
        sys.exit(f"no fault is left of --only {given.only!r} --without {given.without!r}")
    folder = Path(tempfile.mkdtemp(prefix="bouquet-chaos-"))
    report = uvloop.run(RUNS[given.run](folder, order, partial(print, flush=True)))
    print("", report, sep="\n")
    if report.is_good and not report.missed_goals:
        shutil.rmtree(folder)
    else:
        print(f"Output of every process: {folder}")
    return 0 if report.is_good else 1


def _repeat(given: argparse.Namespace) -> str:
    options = {
        "MINUTES": f"{given.minutes:g}",
        "SEED": str(given.seed) if given.run == "chaos" else "",
        "CLUSTER": "1" if given.cluster else "",
        "MNESIA": "1" if given.mnesia else "",
        "RABBITMQ": str(given.rabbitmq or ""),
        "PER_SECOND": "" if given.per_second is None else f"{given.per_second:g}",
        "ONLY": f"'{given.only}'" if given.only else "",
        "WITHOUT": f"'{given.without}'" if given.without else "",
    }
    return " ".join((f"make {given.run}", *(f"{name}={value}" for name, value in options.items() if value)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("run", choices=RUNS)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1, help="seed of the faults and of the people asked about")
    parser.add_argument(
        "--per-second", type=float, help="most calls a second (chaos: 300, with --cluster 50; soak: half of the peak)"
    )
    parser.add_argument("--cluster", action="store_true", help="run on three RabbitMQ nodes, and break them")
    parser.add_argument("--mnesia", action="store_true", help="keep the definitions of the nodes in Mnesia, not Khepri")
    for option, text in (("--only", "inject no faults but these"), ("--without", "do not inject these faults")):
        parser.add_argument(option, default="", metavar="FAULT", help=f"{text}: a name, or a part of several names")
    parser.add_argument("--at-once", type=int, default=64, help="most calls under way (64)")
    parser.add_argument(
        "--rabbitmq", type=int, choices=RELEASES, help="major version of RabbitMQ (3, with --cluster 4)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
