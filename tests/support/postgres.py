"""A PostgreSQL server for tests. PostgreSQL refuses to run as root, so root runs it as the user `postgres`."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.daemon import Daemon, find_program, free_port

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]), reverse=True)
PROGRAM = find_program(*map(str, DEBIAN), "postgres")
USER = "bouquet"
SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "full_page_writes": "off"}


class PostgresServer(Daemon):
    """A PostgreSQL server whose data survive `kill` and `start`; `stop` removes them."""

    def __init__(self, *options: str) -> None:
        # Not under pytest's own folder, where the other user may not go.
        folder = Path(tempfile.mkdtemp(prefix="bouquet-postgres-"))
        super().__init__(folder, free_port(), ready_within_s=90)
        self._data = folder / "data"
        self._numbers = itertools.count(1)
        self.options = options
        self.give(folder)

    def give(self, file: Path) -> None:
        """Changes the owner of a file or folder to the user that runs the server."""
        if os.getuid() == 0:
            shutil.chown(file, "postgres", "postgres")

    def start(self) -> None:
        if not self._data.exists():
            options = ("-D", str(self._data), "-U", USER, "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
            self._run("initdb", *options)
        super().start()

    def kill(self) -> None:
        """Ends the server and its child processes by SIGKILL."""
        # Each child is killed by its id, because a signal to the server's process group would not reach it.
        if self._process:
            family = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
            super().kill()
            for pid in family:
                _kill(int(pid))

    def stop(self) -> None:
        if self.is_running:
            self._signal(signal.SIGINT)  # killed, it would leave its shared memory behind
            self._wait_until_gone()
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self, *, like: str = "") -> str:
        """Creates a database and returns its URL. The database is empty, or a copy of the one at the URL `like`, to
        which no client may be connected during the copy."""
        name = f"test{next(self._numbers)}"
        template = ["-T", urlsplit(like).path.removeprefix("/")] if like else []
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, *template, name)
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}?sslmode=disable"

    def run(self, database: str, script: str) -> None:
        words = ("-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", database, "-v", "ON_ERROR_STOP=1")
        self._run("psql", *words, "-c", script)

    def command(self) -> list[str]:
        assert PROGRAM, "postgres is not installed"
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        return [*_as_somebody(), PROGRAM, "-D", str(self._data), "-p", str(self.port), *settings, *self.options]

    def is_ready(self, connection: socket.socket) -> bool:
        """Reports whether the server accepts a login on this connection; it refuses logins while it starts."""
        wishes = f"user\0{USER}\0database\0postgres\0\0".encode()
        connection.sendall(struct.pack("!ii", len(wishes) + 8, 196608) + wishes)
        return connection.recv(1) == b"R"

    def _wait_until_gone(self) -> None:
        give_up_at = time.monotonic() + 60
        while self._answers() and time.monotonic() < give_up_at:
            time.sleep(0.05)

    def _run(self, program: str, *arguments: str) -> None:
        assert PROGRAM, "postgres is not installed"
        command = [*_as_somebody(), str(Path(PROGRAM).with_name(program)), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, timeout=200)


class PostgresStandby(PostgresServer):
    """A PostgreSQL server that copies a primary and follows its changes until it is promoted."""

    def __init__(self, primary: PostgresServer) -> None:
        super().__init__()
        self._primary = primary

    def start(self) -> None:
        if not self._data.exists():
            of = ("-h", "127.0.0.1", "-p", str(self._primary.port), "-U", USER)
            self._run("pg_basebackup", "-D", str(self._data), *of, "--write-recovery-conf", "--checkpoint=fast")
        super().start()

    def promote(self) -> None:
        """Makes the standby a primary, and returns once it accepts writes."""
        self._run("pg_ctl", "promote", "--wait", "-D", str(self._data))


def _kill(pid: int) -> None:
    # As long as the process lives, its shared memory keeps the server from starting again.
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    status = Path(f"/proc/{pid}/status")
    with suppress(OSError):
        while "State:\tZ" not in status.read_text():
            time.sleep(0.01)


def _as_somebody() -> list[str]:
    if os.getuid() != 0:
        return []
    postgres = pwd.getpwnam("postgres")
    return ["setpriv", f"--reuid={postgres.pw_uid}", f"--regid={postgres.pw_gid}", "--clear-groups"]
