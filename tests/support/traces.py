"""A tracing backend (trace-view from PyPI) that receives spans over OTLP and returns them over HTTP."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import aiohttp
from msgspec import Struct

from tests.support.daemon import Daemon, find_program, free_port

PROGRAM = find_program(str(Path(sys.executable).parent / "tv"), "tv")


class StoredSpan(Struct, frozen=True):
    # The backend keeps a span's attributes, parent and times but not its name, and groups spans by process
    # (`service.instance.id`).

    id: str
    parent: str
    attributes: dict[str, Any]
    began_ns: int


class TraceView(Daemon):
    """A trace-view server. At `url`, it receives spans (OTLP over HTTP) and shows them as web pages."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, free_port(), ready_within_s=90)
        self.url = f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        assert PROGRAM, "trace-view is not installed"
        return [PROGRAM, "--port", str(self.port), "--db", str(self.folder / "traces.db"), "serve"]

    def is_ready(self, connection: socket.socket) -> bool:
        connection.sendall(b"GET /api/sessions HTTP/1.0\r\n\r\n")
        return b"200" in connection.recv(20)

    async def trace(self, trace_id: str) -> list[StoredSpan]:
        async with aiohttp.ClientSession(self.url) as session:
            processes = await _json(session, "/api/sessions")
            spans = [span for one in processes for span in await _json(session, f"/api/sessions/{one['id']}/spans")]
        stored = [
            StoredSpan(span["id"], span.get("parent_span_id") or "", span["metadata"], span["start_time"])
            for span in spans
            if span["trace_id"] == trace_id
        ]
        return sorted(stored, key=lambda span: span.began_ns)


async def _json(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as response:
        return await response.json()
