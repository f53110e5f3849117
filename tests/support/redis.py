"""Redis servers and Sentinels for tests; they keep no data on disk."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.support.daemon import Daemon, find_program, free_port

PROGRAM = find_program("redis-server")
SENTINEL_GROUP = "bouquet"


class RedisServer(Daemon):
    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder, free_port(), ready_within_s=90)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = options

    def command(self) -> list[str]:
        assert PROGRAM, "redis-server is not installed"
        own = ("--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no")
        return [PROGRAM, *own, *self._options]

    def is_ready(self, connection: socket.socket) -> bool:
        connection.sendall(b"PING\r\n")
        return connection.recv(5) == b"+PONG"


class RedisSentinel(RedisServer):
    """A redis Sentinel. It promotes a replica when the primary has been silent for half a second."""

    def __init__(self, folder: Path, primary: RedisServer, quorum: int) -> None:
        super().__init__(folder)
        self._primary = primary
        self._quorum = quorum

    def command(self) -> list[str]:
        assert PROGRAM, "redis-server is not installed"
        configuration = self.folder / "sentinel.conf"
        if not configuration.exists():  # Sentinel writes into it what it learns
            lines = (
                "bind 127.0.0.1",
                f"port {self.port}",
                f"sentinel monitor {SENTINEL_GROUP} 127.0.0.1 {self._primary.port} {self._quorum}",
                f"sentinel down-after-milliseconds {SENTINEL_GROUP} 500",
                f"sentinel failover-timeout {SENTINEL_GROUP} 3000",
            )
            configuration.write_text("\n".join(lines) + "\n")
        return [PROGRAM, str(configuration), "--sentinel"]
