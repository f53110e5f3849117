"""A RabbitMQ node for tests, with its own name, ports, cookie, data and port mapper (epmd). It runs the version
installed on the machine, or the version used in production."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import signal
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.daemon import Daemon, find_program, free_port

EPMD = find_program("epmd")
COOKIE = ".erlang.cookie"
CLUSTER = Path(__file__).parents[2] / "deploy" / "rabbitmq" / "cluster.conf"
READY_WITHIN_S = 90
CTL_TIMEOUT_S = 180
"""Limit of time for a `rabbitmqctl` command in seconds. Such a command takes 0.3 s on an idle machine, but up to a
minute on a busy one."""

SETTLE = "mnesia:sync_log(), lists:foreach(fun dets:sync/1, dets:all()), []."
"""Erlang expression that writes to disk what was declared: vhosts, users, exchanges and queues, quorum queues
included."""
VHOSTS_AT_ONCE = 10
MAKE_VHOSTS = """
    lists:foreach(
        fun(Number) ->
            Vhost = list_to_binary("test-" ++ integer_to_list(Number)),
            ok = rabbit_vhost:add(Vhost, <<"tests">>),
            rabbit_auth_backend_internal:set_permissions(<<"guest">>, Vhost, <<".*">>, <<".*">>, <<".*">>, <<"tests">>)
        end,
        lists:seq(%d, %d)
    ), mnesia:sync_log(), [].
"""
"""Erlang expression that creates vhosts named by consecutive numbers, such as `test-7`, and lets the user guest use
them."""
EVALUATE = """
    Asking = self(),
    spawn(fun() ->
        group_leader(whereis(user), self()),
        Options = [binary, {packet, 4}, {active, false}, {reuseaddr, true}, {ip, {127, 0, 0, 1}}],
        {ok, Door} = gen_tcp:listen(%d, Options),
        Asking ! open,
        Serve = fun Serve() ->
            {ok, Client} = gen_tcp:accept(Door),
            {ok, Text} = gen_tcp:recv(Client, 0),
            Told = try
                {ok, Tokens, _} = erl_scan:string(binary_to_list(Text)),
                {ok, Expressions} = erl_parse:parse_exprs(Tokens),
                {value, Value, _} = erl_eval:exprs(Expressions, []),
                ["+", Value]
            catch _:Reason -> ["-", io_lib:format("~p", [Reason])]
            end,
            ok = gen_tcp:send(Client, Told),
            Serve()
        end,
        Serve()
    end),
    receive open -> ok end.
"""
"""Erlang expression that `rabbitmqctl eval` runs once. It opens a port at which the broker evaluates further
expressions, because a command for each would be slow."""


@dataclass(frozen=True)
class Release:
    """An installed version of RabbitMQ: the machine's own, or one in another Debian system below the folder `root`. A
    version in such a folder can be run by the user root only."""

    name: str
    server: str | None
    ctl: str | None
    root: Path = Path("/")

    @property
    def is_installed(self) -> bool:
        """Whether this process can run this version on this machine."""
        if self.root == Path("/"):
            return self.server is not None
        return self.root.is_dir() and os.getuid() == 0

    def command(self, program: str | None, *arguments: str) -> list[str]:
        """Returns the command line that runs a program of this version with these arguments."""
        assert program, f"{self.name} is not installed"
        # It finds the disk and the memory, which its alarms watch, by /proc: not there in a bare chroot.
        enter = [] if self.root == Path("/") else ["unshare", "--mount-proc", f"--root={self.root}", "--wd=/"]
        return [*enter, program, *arguments]

    def path(self, folder: Path) -> str:
        """Returns the path of a folder as the server sees it. A server below `root` sees only what is below `root`."""
        return f"/{folder.relative_to(self.root)}"

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Yields a new folder where this version's server can see it; removes it at the end."""
        with tempfile.TemporaryDirectory(dir=self.root / "tmp", prefix="bouquet-rabbitmq-") as folder:
            yield Path(folder)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bouquet"


# Debian's wrappers in /usr/sbin change to the user rabbitmq and to its folders: call what they wrap.
_SERVER, _CTL = "/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmqctl"
RABBITMQ_3 = Release("RabbitMQ", find_program(_SERVER, "rabbitmq-server"), find_program(_CTL, "rabbitmqctl"))
RABBITMQ_4 = Release("RabbitMQ 4", _SERVER, _CTL, _cache() / "rabbitmq4")
RELEASES = {3: RABBITMQ_3, 4: RABBITMQ_4}


class Epmd(Daemon):
    """Erlang's port mapper for one node, run as a process of the tests. A port mapper started by the node itself would
    outlive the node."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, free_port(), ready_within_s=READY_WITHIN_S)

    def command(self) -> list[str]:
        assert EPMD, "epmd is not installed"
        return [EPMD, "-address", "127.0.0.1", "-port", str(self.port)]

    def is_ready(self, connection: socket.socket) -> bool:
        return True


class RabbitNode(Daemon):
    """A RabbitMQ node. `url` is its default vhost for the user guest; `management_url` and `metrics_url` are empty
    unless asked for.

    Its methods kill(), restart(), pause() and resume() cause faults. A kill() may lose what was declared just before:
    call settle() first, unless that loss is what you test.
    """

    def __init__(
        self, folder: Path, *, management: bool = False, metrics: bool = False, release: Release = RABBITMQ_3
    ) -> None:
        super().__init__(folder, free_port(), ready_within_s=READY_WITHIN_S)
        self.release = release
        self.name = f"bouquet-{self.port}@localhost"
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self._epmd = Epmd(folder / "epmd")
        self._environment = _environment(release.path(folder), self.name, self._epmd.port)
        self._vhost_numbers = itertools.count(1)
        self._spare_vhosts: list[str] = []
        self._evaluates_at = free_port()
        wanted = {"management": management, "prometheus": metrics}
        plugins = {plugin: free_port() for plugin, is_wanted in wanted.items() if is_wanted}
        self.management_url = f"http://127.0.0.1:{plugins['management']}" if management else ""
        self.metrics_url = f"http://127.0.0.1:{plugins['prometheus']}" if metrics else ""
        _configure(folder, self.port, plugins)

    def join(self, nodes: Sequence[RabbitNode]) -> None:
        """Configures the node, before its first start, to form a cluster with `nodes`."""
        first = nodes[0]
        members = [f"cluster_formation.classic_config.nodes.{n} = {node.name}" for n, node in enumerate(nodes, 1)]
        with (self.folder / "rabbitmq.conf").open("a") as configuration:
            configuration.write("\n".join(["cluster_formation.peer_discovery_backend = classic_config", *members]))
            configuration.write(f"\n{CLUSTER.read_text()}")
        _write_cookie(self.folder, (first.folder / COOKIE).read_text())
        self._epmd = first._epmd
        self._environment["ERL_EPMD_PORT"] = str(first._epmd.port)

    def command(self) -> list[str]:
        return self.release.command(self.release.server)

    def environment(self) -> Mapping[str, str]:
        return self._environment

    def is_ready(self, connection: socket.socket) -> bool:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return connection.recv(1) == b"\x01"  # a method frame: connection.start

    def start(self) -> None:
        self.start_epmd()
        super().start()

    def start_epmd(self) -> None:
        """Starts the port mapper by which Erlang nodes find each other, unless it runs already."""
        if not self._epmd.is_running:
            self._epmd.start()

    def stop(self) -> None:
        super().stop()
        self._epmd.stop()

    def stop_in_order(self) -> None:
        """Ends the node by SIGTERM, so that it closes its connections and tells the other nodes."""
        self._signal(signal.SIGTERM).wait(CTL_TIMEOUT_S)
        self.kill()

    def ctl(self, *arguments: str) -> str:
        """Runs a `rabbitmqctl` command, which takes about half a second, and returns its output."""
        command = self.release.command(self.release.ctl, "--quiet", *arguments)
        return subprocess.check_output(command, env=self._environment, text=True, timeout=CTL_TIMEOUT_S)

    def evaluate(self, expressions: str) -> str:
        """Evaluates Erlang expressions in the broker and returns the text of their value. Raises `RuntimeError` if they
        fail."""
        try:
            told = self._told(expressions)
        except ConnectionRefusedError:  # it has just started
            self.ctl("eval", EVALUATE % self._evaluates_at)
            told = self._told(expressions)
        if not told.startswith("+"):
            raise RuntimeError(f"{expressions}\n{told}")
        return told[1:]

    def _told(self, expressions: str) -> str:
        with socket.create_connection(("127.0.0.1", self._evaluates_at), CTL_TIMEOUT_S) as connection:
            connection.sendall(struct.pack("!I", len(expressions)) + expressions.encode())
            with connection.makefile("rb") as told:
                (size,) = struct.unpack("!I", told.read(4))
                return told.read(size).decode()

    async def control(self, *arguments: str) -> str:
        """Runs a `rabbitmqctl` command in a thread: it may take so long that this process's connections would miss
        heartbeats."""
        return await asyncio.to_thread(self.ctl, *arguments)

    def settle(self) -> None:
        """Makes the node write to disk all that was declared, quorum queues included, so that a kill does not lose
        it."""
        self.evaluate(SETTLE)

    def vhost(self) -> str:
        """Returns the URL of an empty vhost that no other test uses."""
        if not self._spare_vhosts:
            self._make_vhosts()
        return self.url + self._spare_vhosts.pop(0)

    def _make_vhosts(self) -> None:
        """Creates some vhosts in advance. Several are created at once, because each creation waits for the disk."""
        first, *_, last = numbers = list(itertools.islice(self._vhost_numbers, VHOSTS_AT_ONCE))
        self.evaluate(MAKE_VHOSTS % (first, last))
        self._spare_vhosts = [f"test-{number}" for number in numbers]


def _environment(folder: str, name: str, epmd_port: int) -> dict[str, str]:
    own = {
        "HOME": folder,  # of .erlang.cookie
        "RABBITMQ_NODENAME": name,
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": f"{folder}/data",
        "RABBITMQ_LOG_BASE": f"{folder}/log",
        "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
        "RABBITMQ_CONF_ENV_FILE": os.devnull,  # the machine's own broker is none of our business
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RUNNING_UNDER_SYSTEMD": "true",  # the script then execs erl: the process we started is the broker
    }
    return {**os.environ, **own}


def _configure(folder: Path, port: int, plugins: Mapping[str, int]) -> None:
    lines = [
        f"listeners.tcp.1 = 127.0.0.1:{port}",
        "log.console = true",
        "log.file = false",
        "disk_free_limit.absolute = 50MB",
    ]
    for plugin, plugin_port in plugins.items():
        lines += [f"{plugin}.tcp.ip = 127.0.0.1", f"{plugin}.tcp.port = {plugin_port}"]
    (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
    (folder / "enabled_plugins").write_text(f"[{','.join(f'rabbitmq_{plugin}' for plugin in plugins)}].")
    _write_cookie(folder, secrets.token_hex(16))


def _write_cookie(folder: Path, secret: str) -> None:
    cookie = folder / COOKIE
    cookie.unlink(missing_ok=True)
    cookie.write_text(secret)
    cookie.chmod(0o400)
