"""A gateway and a portal that reads its documents, each in a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.daemon import Daemon, free_port
from tests.support.processes import BIN
from tests.support.waiting import TEST_TIMEOUT_S

CASES = Path(__file__).parents[2] / "deploy" / "sandbox" / "cases"
KEY = "k" * 32


class Page(NamedTuple):
    status: int
    headers: dict[str, str]
    """Response headers, with names in lower case."""
    text: str

    @property
    def words(self) -> str:
        """Visible text of the page, with one space in place of each run of white space."""
        shown = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", self.text, flags=re.DOTALL)
        return " ".join(shown.split())


class _Server(Daemon):
    """A process of Bouquet that serves HTTP. It counts as ready once `/readyz` answers 200."""

    def __init__(self, folder: Path, command: list[str], environ: dict[str, str]) -> None:
        super().__init__(folder, free_port(), ready_within_s=TEST_TIMEOUT_S)
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [str(BIN / command[0]), *command[1:]]
        self._environ = {name: text for name, text in os.environ.items() if not name.startswith("BOUQUET_")} | environ

    def command(self) -> list[str]:
        return self._command

    def environment(self) -> Mapping[str, str]:
        return self._environ

    def is_ready(self, connection: socket.socket) -> bool:
        connection.sendall(b"GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        return b" 200 " in connection.recv(20)

    @property
    def log(self) -> list[dict[str, Any]]:
        lines = self._log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


class GatewayServer(_Server):
    """A sandbox gateway that answers from this repository's cases."""

    def __init__(self, folder: Path) -> None:
        environ = {
            "BOUQUET_BUS_URL": "memory:",
            "BOUQUET_GATEWAY_SANDBOX": "true",
            "BOUQUET_CASEBOOK_CASES": str(CASES),
            "BOUQUET_GATEWAY_TOKEN_KEY": KEY,
            "BOUQUET_GATEWAY_TOKENS_FROM": "claims",
        }
        super().__init__(folder, ["bouquet-gateway", "serve"], environ)
        self._environ |= {"BOUQUET_GATEWAY_PORT": str(self.port)}


class PortalServer(_Server):
    """A portal process with a new SQLite database."""

    def __init__(self, folder: Path, gateway_url: str, **settings: str) -> None:
        self.metrics_port = free_port()
        super().__init__(folder, ["bouquet-portal", "serve", "--migrate"], {})
        own = {
            "gateway_url": gateway_url,
            "port": str(self.port),
            "metrics_port": str(self.metrics_port),
            "public_url": self.url,
            "database_url": f"sqlite:///{folder}/portal.db",
            "mail_url": f"file://{folder}/mails",
            "documents_every_s": "0.5",
            "states_every_s": "0.5",
        }
        self._environ |= {f"BOUQUET_PORTAL_{name.upper()}": text for name, text in (own | settings).items()}

    def get(self, path: str, headers: Mapping[str, str] | None = None, *, port: int | None = None) -> Page:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=TEST_TIMEOUT_S)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            answer = connection.getresponse()
            body = answer.read().decode(errors="replace")
            return Page(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)
        finally:
            connection.close()
