"""A RabbitMQ node of the tests' own: its name, ports, cookie, data and epmd. No system service is touched."""

from __future__ import annotations

import itertools
import os
import secrets
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.daemon import Daemon, find_program, free_port

# Debian's wrappers in /usr/sbin change to the user rabbitmq and to its folders: call what they wrap.
PROGRAM = find_program("/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server")
CTL = find_program("/usr/lib/rabbitmq/bin/rabbitmqctl", "rabbitmqctl")
EPMD = find_program("epmd")


class Epmd(Daemon):
    """Erlang's port mapper. Started by us, or the node starts one that outlives it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, free_port(), ready_within_s=20)

    def command(self) -> list[str]:
        assert EPMD, "epmd is not installed"
        return [EPMD, "-address", "127.0.0.1", "-port", str(self.port)]

    def is_ready(self, connection: socket.socket) -> bool:
        return True


class RabbitNode(Daemon):
    """`url` is its default vhost, for guest; `management_url` is empty unless the plugin was asked for.

    kill(), restart(), pause() and resume() are for chaos. What was declared just before a kill() may be gone
    after it: call settle() in between, or the failure you see is not yours. For a quorum queue and what is in
    it, let two seconds pass as well.
    """

    def __init__(self, folder: Path, *, management: bool = False) -> None:
        super().__init__(folder, free_port(), ready_within_s=90)
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self._epmd = Epmd(folder / "epmd")
        self._environment = _environment(folder, self.port, self._epmd.port)
        self._vhost_numbers = itertools.count(1)
        management_port = free_port() if management else None
        self.management_url = f"http://127.0.0.1:{management_port}" if management else ""
        _configure(folder, self.port, management_port)

    def command(self) -> list[str]:
        assert PROGRAM, "rabbitmq-server is not installed"
        return [PROGRAM]

    def environment(self) -> Mapping[str, str]:
        return self._environment

    def is_ready(self, connection: socket.socket) -> bool:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return connection.recv(1) == b"\x01"  # a method frame: connection.start

    def start(self) -> None:
        if not self._epmd.is_running:
            self._epmd.start()
        super().start()

    def stop(self) -> None:
        super().stop()
        self._epmd.stop()

    def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` prints; about 0.3 s a call."""
        assert CTL, "rabbitmqctl is not installed"
        command = [CTL, "--quiet", *arguments]
        return subprocess.check_output(command, env=self._environment, text=True, timeout=60)

    def settle(self) -> None:
        """Puts on disk what was declared until now; the broker itself takes its time."""
        self.ctl("eval", "mnesia:sync_log().")

    def vhost(self) -> str:
        """The url of a new empty vhost: what one test leaves behind, the next does not see."""
        name = f"test-{next(self._vhost_numbers)}"
        self.ctl("add_vhost", name)
        self.ctl("set_permissions", "--vhost", name, "guest", ".*", ".*", ".*")
        return self.url + name


def _environment(folder: Path, port: int, epmd_port: int) -> dict[str, str]:
    own = {
        "HOME": str(folder),  # of .erlang.cookie
        "RABBITMQ_NODENAME": f"bouquet-{port}@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,  # the machine's own broker is none of our business
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RUNNING_UNDER_SYSTEMD": "true",  # the script then execs erl: the process we started is the broker
    }
    return {**os.environ, **own}


def _configure(folder: Path, port: int, management_port: int | None) -> None:
    lines = [
        f"listeners.tcp.1 = 127.0.0.1:{port}",
        "log.console = true",
        "log.file = false",
        "disk_free_limit.absolute = 50MB",
    ]
    if management_port:
        lines += ["management.tcp.ip = 127.0.0.1", f"management.tcp.port = {management_port}"]
    (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
    (folder / "enabled_plugins").write_text("[rabbitmq_management]." if management_port else "[].")
    cookie = folder / ".erlang.cookie"
    cookie.write_text(secrets.token_hex(16))
    cookie.chmod(0o400)
