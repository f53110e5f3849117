"""Program that runs a module with a wrong clock: `CLOCK_AHEAD_S=30 python -m tests.chaos.wrong_clock MODULE …`."""

from __future__ import annotations

import os
import runpy
import sys

from tests.support.worker_process import shift_clock

CLOCK_AHEAD_S = "CLOCK_AHEAD_S"

if __name__ == "__main__":
    shift_clock(float(os.environ[CLOCK_AHEAD_S]))
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
