"""A redis server that keeps nothing on disk."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.support.daemon import Daemon, find_program, free_port

PROGRAM = find_program("redis-server")


class RedisServer(Daemon):
    """A redis server at `url`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, free_port(), ready_within_s=90)
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        assert PROGRAM, "redis-server is not installed"
        return [PROGRAM, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no"]

    def is_ready(self, connection: socket.socket) -> bool:
        connection.sendall(b"PING\r\n")
        return connection.recv(5) == b"+PONG"
