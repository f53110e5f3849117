"""The commands `bouquet-worker casebook` and `bouquet-worker check-cases`.

`bouquet-worker` imports this module at every start, so the commands import what they need only when they run.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def casebook(parser: argparse.ArgumentParser) -> None:
    """serve the sandbox: answer on the bus for every installed worker, from case files"""
    parser.add_argument("--cases", type=_folder, required=True, help="folder with a folder of case files per operation")
    parser.set_defaults(command=_casebook)


def check_cases(parser: argparse.ArgumentParser) -> None:
    """list case files that are unreadable or invalid, that no call reaches, or that have the same parameters"""
    parser.add_argument("cases", type=_folder, help="folder with a folder of case files per operation")
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
    from bouquet_casebook.check import check
    from bouquet_casebook.serve import sandbox
    from bouquet_mesh.control_characters import escape_control_characters

    report = check(arguments.cases, sandbox.offers(), sandbox.published())
    for finding in report.findings:
        sys.stdout.write(f"{escape_control_characters(str(finding))}\n")
    sys.stdout.write(f"{report.cases} cases in {report.folders} folders, {len(report.findings)} findings\n")
    return 1 if report.findings else 0
