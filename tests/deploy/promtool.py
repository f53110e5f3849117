"""Runs promtool, the program that checks and tests Prometheus' rule files."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.conftest import need
from tests.support.daemon import find_program

PROGRAM = find_program("promtool")


def promtool(*arguments: str | Path) -> None:
    need(PROGRAM is not None, "promtool")
    done = subprocess.run([str(PROGRAM), *map(str, arguments)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
