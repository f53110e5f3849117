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


def main() -> int:
    given = _arguments()
    order = RunOptions(
        seconds=given.minutes * 60,
        seed=given.seed,
        per_second=PER_SECOND[given.run] if given.per_second is None else given.per_second,
        at_once=given.at_once,
        repeat=_repeat(given),
        rabbitmq=given.rabbitmq,
    )
    folder = Path(tempfile.mkdtemp(prefix="bouquet-chaos-"))
    report = uvloop.run(RUNS[given.run](folder, order, partial(print, flush=True)))
    print("", report, sep="\n")
    if not report.is_good:
        print(f"Output of every process: {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def _repeat(given: argparse.Namespace) -> str:
    seed = f" SEED={given.seed}" if given.run == "chaos" else ""
    return f"make {given.run} MINUTES={given.minutes:g}{seed}" + (" RABBITMQ=4" if given.rabbitmq == 4 else "")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("run", choices=RUNS)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1, help="seed of the faults and of the people asked about")
    parser.add_argument("--per-second", type=float, help="most calls a second (chaos: 300, soak: half of the peak)")
    parser.add_argument("--at-once", type=int, default=64, help="most calls under way (64)")
    parser.add_argument(
        "--rabbitmq", type=int, choices=RELEASES, default=3, help="major version of RabbitMQ (3, the machine's own)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
