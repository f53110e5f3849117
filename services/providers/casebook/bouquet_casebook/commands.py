"""`bouquet-worker casebook` and `bouquet-worker check-cases`.

Every worker that is installed beside the casebook asks for its commands: what these need is imported when they run.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def casebook(parser: argparse.ArgumentParser) -> None:
    """answer on the bus for every installed worker, from case files"""
    parser.add_argument("--cases", type=_folder, required=True)
    parser.set_defaults(command=_casebook)


def check_cases(parser: argparse.ArgumentParser) -> None:
    """say which case files cannot be read, reached or told apart, or do not fit the schema"""
    parser.add_argument("cases", type=_folder)
    parser.set_defaults(command=_check_cases)


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return path


def _casebook(arguments: argparse.Namespace) -> None:
    import uvloop

    from bouquet_casebook.serve import PREFIX, sandbox
    from bouquet_worker.run import run

    uvloop.run(run(sandbox, {**os.environ, f"{PREFIX}CASES": str(arguments.cases)}))


def _check_cases(arguments: argparse.Namespace) -> int:
    """Exit status 1 when there is something to mend."""
    from bouquet_casebook.check import check
    from bouquet_casebook.serve import sandbox

    report = check(arguments.cases, sandbox.offers(), sandbox.published())
    for finding in report.findings:
        sys.stdout.write(f"{finding}\n")
    sys.stdout.write(f"{report.cases} cases in {report.folders} folders, {len(report.findings)} findings\n")
    return 1 if report.findings else 0
