"""Python programs that a benchmark run starts. Some use this repository's Python environment; the programs of other
frameworks use a separate one."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.daemon import Daemon, free_port

ROOT = Path(__file__).parents[1]
PEERS_PYTHON = ROOT / "bench" / "peers" / ".venv" / "bin" / "python"
READY_WITHIN_S = 60.0

FOREIGN_VARIABLES = ("BOUQUET_", "OTEL_", "PYTHONDONTWRITEBYTECODE")
"""Prefixes of environment variables that programs do not inherit, since they would change the measurements."""


class Program(Daemon):
    """Process `python -m module arguments`, with a check that it is ready."""

    # It is ready when `ready_path` answers 200; without this path, when its port is open; without a port, when it has
    # printed `ready_word`.

    def __init__(
        self,
        folder: Path,
        module: str,
        *arguments: str,
        port: int | None = None,
        ready_path: str = "",
        ready_word: str = "",
        environ: Mapping[str, str] | None = None,
        python: Path = Path(sys.executable),
    ) -> None:
        super().__init__(folder, port or free_port(), ready_within_s=READY_WITHIN_S)
        self._command = [str(python), "-m", module, *arguments]
        self._listens = port is not None
        self._ready_path = ready_path
        self._ready_word = ready_word
        self._environ = plain_environ() | dict(environ or {})

    def command(self) -> list[str]:
        return self._command

    def environment(self) -> Mapping[str, str]:
        return self._environ

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self, connection: socket.socket) -> bool:
        if not self._ready_path:
            return True
        connection.sendall(f"GET {self._ready_path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
        return connection.recv(16).split()[1:2] == [b"200"]

    def _answers(self) -> bool:
        return super()._answers() if self._listens else self._ready_word in self._log.read_text()

    def __str__(self) -> str:
        return " ".join(self._command[2:])


def plain_environ() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_VARIABLES)}
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH", ""))))
    return kept | {"PYTHONPATH": path}
