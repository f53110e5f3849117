"""A server that tests start as a process on its own ports. It ends with the tests, even if they are killed."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

# Below the kernel's ephemeral range: no outgoing connection can take a port between a kill and a restart.
# Each process begins in a block of its own, and keeps what it was given from all others: several parts of the tests,
# with some pytest-xdist workers each, run at the same time.
_FIRST, _SIZE, _BLOCK = 20_000, 12_000, 64
_ports = (_FIRST + (os.getpid() * _BLOCK + n) % _SIZE for n in itertools.count())
_GIVEN = Path(tempfile.gettempdir(), f"bouquet-test-ports-{os.getuid()}")


def free_port() -> int:
    """Returns a free port, which no other test process gets as long as this process lives."""
    return next(port for port in _ports if _is_free(port) and _is_kept(port))


def ports_in_a_row(count: int) -> int:
    """Returns the first of `count` free ports with consecutive numbers."""
    while True:
        first = free_port()
        if all(free_port() == first + n for n in range(1, count)):
            return first


def _is_kept(port: int) -> bool:
    """Tries to lock a port's file, which reserves the port until this process ends. Returns `False` if another process
    holds the lock."""
    _GIVEN.mkdir(exist_ok=True)
    file = os.open(_GIVEN / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # which ends with the process
    except BlockingIOError:
        os.close(file)
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def find_program(*candidates: str) -> str | None:
    """Returns the path of the first of these programs that is installed, or None."""
    return next((found for name in candidates if (found := shutil.which(name))), None)


class DidNotStart(RuntimeError):
    """Error for a server that ended, or did not answer in time, while it started."""


class Daemon:
    """A server that tests run as a child process. A subclass runs one kind, such as PostgreSQL."""

    def __init__(self, folder: Path, port: int, *, ready_within_s: float, host: str = "127.0.0.1") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.host = host
        self.port = port
        self._ready_within_s = ready_within_s
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return os.environ

    def is_ready(self, connection: socket.socket) -> bool:
        """Reports whether the server answers a request in its own protocol on a new connection."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the server and returns once it is ready. If it never gets ready, raises `DidNotStart` with the last
        lines of its output."""
        if self._process:
            raise RuntimeError(f"{self} runs already")
        if not _is_free(self.port):  # a stale server would answer for ours, and the test would believe it
            raise RuntimeError(f"port {self.port} is taken: {self} cannot start")
        self._process, self._keeper = _spawn(self.command(), self.environment(), self._log)
        try:
            self._wait_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        if self._process and self._keeper:
            _end(self._process, self._keeper)
            self._process = self._keeper = None

    def stop(self) -> None:
        self.kill()

    def restart(self) -> None:
        """Kills the server and starts it again with the same ports and data."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Halts the process by SIGSTOP. Its connections stay open, but nothing answers until `resume`."""
        process = self._signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)  # until every thread of it has stopped

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        if not self._process:
            raise RuntimeError(f"{self} does not run")
        return self._process.pid

    def _signal(self, number: signal.Signals) -> subprocess.Popen[bytes]:
        if not self._process:
            raise RuntimeError(f"{self} does not run")
        self._process.send_signal(number)
        return self._process

    @property
    def _log(self) -> Path:
        return self.folder / "output.log"

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        give_up_at = time.monotonic() + self._ready_within_s
        while not self._answers():
            if process.poll() is not None or time.monotonic() > give_up_at:
                tail = self._log.read_text(errors="replace")[-2000:]
                raise DidNotStart(f"{self} did not start (exit status {process.poll()}):\n{tail}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=2) as connection:
                return self.is_ready(connection)
        except OSError:
            return False

    def __str__(self) -> str:
        return f"{type(self).__name__} on port {self.port}"


# Ends the server when we end, by the one sign that never fails: the other end of a pipe is closed. `finally`
# and atexit do not run under SIGKILL; PR_SET_PDEATHSIG fires when the *thread* that started the child ends.
_KEEPER = 'read -r _; kill -9 "-$1"'


def _spawn(
    command: list[str], environment: Mapping[str, str], log: Path
) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is for pytest, which then stops us in order
        )
    keeper = subprocess.Popen(
        ["sh", "-c", _KEEPER, "keeper", str(process.pid)], stdin=subprocess.PIPE, start_new_session=True
    )
    return process, keeper


def _end(process: subprocess.Popen[bytes], keeper: subprocess.Popen[bytes]) -> None:
    keeper.kill()
    with suppress(ProcessLookupError):  # it has ended by itself
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with keeper:  # waits, and closes the pipe
        pass
