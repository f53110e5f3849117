"""Measures the time from the start of the demo until its first call is answered. The demo uses the bus inside the
gateway's process, without RabbitMQ."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import IO

from bench import accounting
from bench.programs import ROOT, plain_environ
from tests.support.daemon import free_port

DEMO = ROOT / "deploy" / "demo" / "demo.py"
GIVE_UP_S = 60.0


def cold_starts_s(times: int, quiet_cores: float) -> list[float]:
    """Starts the demo `times` times. Returns the seconds of each start during which other processes used little CPU."""
    # Leaves out starts during which other processes used more than `quiet_cores`, and a first start, which compiles the
    # Python modules.
    _start()
    return [lasted for lasted, outside_cores in (_start() for _ in range(times)) if outside_cores <= quiet_cores]


def _start() -> tuple[float, float]:
    command = [sys.executable, str(DEMO), "--port", str(free_port())]
    with subprocess.Popen(command, env=plain_environ(), stdout=subprocess.PIPE, text=True) as demo:
        before = accounting.now()
        began = time.monotonic()
        try:
            assert demo.stdout is not None
            _wait_ready(demo.stdout)
            lasted = time.monotonic() - began
            return lasted, accounting.outside_cores(before, accounting.now(), os.getpid())
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.communicate(timeout=GIVE_UP_S)


def _wait_ready(output: IO[str]) -> None:
    for line in output:
        if line.startswith("READY"):
            return
    raise RuntimeError("the demo ended before it was ready")
