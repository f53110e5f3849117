"""Demo whose simulators report the requests they receive: `demo_spied.py FOLDER --port PORT`. It writes its ports and
its token to files in FOLDER."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[3]
CALLS = {"BOUQUET_GATEWAY_CALLS_PER_SECOND": "1000"}


def load_demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", ROOT / "deploy" / "demo" / "demo.py")
    assert spec and spec.loader
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    return demo


def main() -> int:
    state = Path(sys.argv.pop(1))
    demo: Any = load_demo()
    start, output, tokens_with = demo.Processes.start, demo._output, demo.RegistryApi.tokens_with

    def start_spied(self: Any, environ: dict[str, str], *command: str) -> None:
        if command[:2] != ("bouquet-worker", "simulators"):
            start(self, environ | CALLS, *command)
            return
        (state / "spy.port").write_text(command[3])
        spy = [sys.executable, str(Path(__file__).with_name("spy.py")), command[3]]
        process = subprocess.Popen(spy, env=environ, start_new_session=True)
        self._running.append(("spy", process))

    def output_noted(environ: dict[str, str], *command: str) -> str:
        (state / "port").write_text(environ["BOUQUET_GATEWAY_PORT"])
        return str(output(environ, *command))

    def tokens_noted(self: Any, scopes: list[str]) -> tuple[str, str]:
        own, editors = tokens_with(self, scopes)
        (state / "token").write_text(own)
        return own, editors

    demo.Processes.start, demo._output, demo.RegistryApi.tokens_with = start_spied, output_noted, tokens_noted
    status: int = demo.main()
    return status


if __name__ == "__main__":
    sys.exit(main())
