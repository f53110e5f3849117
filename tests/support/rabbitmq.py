"""A RabbitMQ node for tests, of the installed version or of the version that production runs. It shares nothing with
other nodes."""

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
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.daemon import Daemon, DidNotStart, find_program, free_port
from tests.support.network import Machine

EPMD = find_program("epmd")
COOKIE = ".erlang.cookie"
DEPLOYED = Path(__file__).parents[2] / "deploy" / "rabbitmq"
CLUSTER, CLUSTER_ENVIRONMENT = DEPLOYED / "cluster.conf", DEPLOYED / "cluster-env.conf"
READY_WITHIN_S = 90
START_ATTEMPTS = 3
"""Number of attempts to start a node. RabbitMQ 4.0.5 sometimes ends by itself while it starts after a kill; in
production, systemd or Kubernetes starts it again."""
STOP_TIMEOUT_S = 90
CTL_TIMEOUT_S = 180
"""Timeout of a `rabbitmqctl` command, in seconds. A command may take a minute on a busy machine."""

SETTLE = "mnesia:sync_log(), lists:foreach(fun dets:sync/1, dets:all()), []."
"""Erlang expression that makes a node write its declared objects, such as queues and users, to disk."""
DISCONNECT = "lists:foreach(fun erlang:disconnect_node/1, nodes()), []."
"""Erlang expression that closes a node's connections to the other nodes. A cluster with Mnesia then stays divided until
RabbitMQ restarts one side; a cluster with Khepri does not (rabbitmq-server issue 17319)."""
VHOSTS_AT_ONCE = 10
VHOST_ATTEMPTS = 5
"""Number of attempts to create vhosts. A node with Khepri that has just joined its cluster may fail to start one."""
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
        Options = [binary, {packet, 4}, {active, false}, {reuseaddr, true}, {ip, {%s}}],
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
"""Erlang program that opens a port in the broker and evaluates the expressions received there. Running `rabbitmqctl`
for each expression would be slow."""


@dataclass(frozen=True)
class Release:
    """A RabbitMQ version that is installed on this machine, or in another Debian system below the folder `root`."""

    name: str
    server: str | None
    ctl: str | None
    root: Path = Path("/")

    @property
    def is_installed(self) -> bool:
        if self.root == Path("/"):
            return self.server is not None
        return self.root.is_dir() and os.getuid() == 0

    def command(self, program: str | None, *arguments: str) -> list[str]:
        assert program, f"{self.name} is not installed"
        # It finds the disk and the memory, which its alarms watch, by /proc: not there in a bare chroot.
        enter = [] if self.root == Path("/") else ["unshare", "--mount-proc", f"--root={self.root}", "--wd=/"]
        return [*enter, program, *arguments]

    def path(self, folder: Path) -> str:
        """Returns the path under which the server sees a folder. A server installed below `root` sees `root` as `/`."""
        return f"/{folder.relative_to(self.root)}"

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Yields a new folder that this version's server can see, and removes it at the end of the context."""
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
    """Erlang's port mapper (epmd) for one machine, run as a process of the tests."""

    # A port mapper started by the node itself would outlive the node.

    def __init__(self, folder: Path, machine: Machine | None, port: int) -> None:
        super().__init__(folder, port, ready_within_s=READY_WITHIN_S, host=_host(machine))
        self._machine = machine

    def command(self) -> list[str]:
        assert EPMD, "epmd is not installed"
        return _on(self._machine, [EPMD, "-address", self.host, "-port", str(self.port)])

    def is_ready(self, connection: socket.socket) -> bool:
        return True


class RabbitNode(Daemon):
    """A RabbitMQ node that tests can kill, restart, pause and resume. Queues and users declared shortly before `kill`
    may be lost unless `settle` is called first."""

    def __init__(
        self,
        folder: Path,
        *,
        management: bool = False,
        metrics: bool = False,
        release: Release = RABBITMQ_3,
        machine: Machine | None = None,
    ) -> None:
        """Prepares a node that listens on `machine`, a machine of a test network, or on the loopback interface if none
        is given."""
        super().__init__(folder, free_port(), ready_within_s=READY_WITHIN_S, host=_host(machine))
        self.release = release
        self.machine = machine
        self.name = f"bouquet-{self.port}@{self.host if machine else 'localhost'}"
        self.url = f"amqp://guest:guest@{self.host}:{self.port}/"
        self._epmd = Epmd(folder / "epmd", machine, free_port())
        self._environment = _environment(release.path(folder), self.name, self._epmd)
        self._environment["RABBITMQ_USE_LONGNAME"] = "true" if machine else "false"
        self._vhost_numbers = itertools.count(1)
        self._spare_vhosts: list[str] = []
        self._evaluates_at = free_port()
        wanted = {"management": management, "prometheus": metrics}
        plugins = {plugin: free_port() for plugin, is_wanted in wanted.items() if is_wanted}
        self.management_url = f"http://{self.host}:{plugins['management']}" if management else ""
        self.metrics_url = f"http://{self.host}:{plugins['prometheus']}" if metrics else ""
        _configure(folder, self.host, self.port, plugins)

    def join(self, nodes: Sequence[RabbitNode]) -> None:
        """Makes the node join `nodes` in a cluster at its first start."""
        first = nodes[0]
        members = [f"cluster_formation.classic_config.nodes.{n} = {node.name}" for n, node in enumerate(nodes, 1)]
        with (self.folder / "rabbitmq.conf").open("a") as configuration:
            configuration.write("\n".join(["cluster_formation.peer_discovery_backend = classic_config", *members]))
            configuration.write(f"\n{CLUSTER.read_text()}")
        (environment := self.folder / CLUSTER_ENVIRONMENT.name).write_text(CLUSTER_ENVIRONMENT.read_text())
        self._environment["RABBITMQ_CONF_ENV_FILE"] = self.release.path(environment)
        _write_cookie(self.folder, (first.folder / COOKIE).read_text())
        port = first._epmd.port  # at which each node asks for every other node
        self._epmd = Epmd(self.folder / "epmd", self.machine, port) if self.machine else first._epmd
        self._environment["ERL_EPMD_PORT"] = str(port)

    def command(self) -> list[str]:
        return _on(self.machine, self.release.command(self.release.server))

    def environment(self) -> Mapping[str, str]:
        return self._environment

    def is_ready(self, connection: socket.socket) -> bool:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return connection.recv(1) == b"\x01"  # a method frame: connection.start

    def start(self) -> None:
        self.start_epmd()
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                super().start()
                break
            except DidNotStart:
                if attempt == START_ATTEMPTS:
                    raise

    def start_epmd(self) -> None:
        if not self._epmd.is_running:
            self._epmd.start()

    def stop(self) -> None:
        super().stop()
        self._epmd.stop()

    def stop_in_order(self) -> None:
        """Stops the node by SIGTERM. It closes its connections and informs the other nodes. A node that has not ended
        after `STOP_TIMEOUT_S` is killed, as systemd does."""
        with suppress(subprocess.TimeoutExpired):
            self._signal(signal.SIGTERM).wait(STOP_TIMEOUT_S)
        self.kill()

    def ctl(self, *arguments: str) -> str:
        command = _on(self.machine, self.release.command(self.release.ctl, "--quiet", *arguments))
        return subprocess.check_output(command, env=self._environment, text=True, timeout=CTL_TIMEOUT_S)

    def evaluate(self, expressions: str) -> str:
        """Evaluates Erlang expressions in the broker and returns the text of their value. Raises `RuntimeError` if they
        fail."""
        try:
            told = self._told(expressions)
        except ConnectionRefusedError:  # it has just started
            self.ctl("eval", EVALUATE % (self.host.replace(".", ","), self._evaluates_at))
            told = self._told(expressions)
        if not told.startswith("+"):
            raise RuntimeError(f"{expressions}\n{told}")
        return told[1:]

    def _told(self, expressions: str) -> str:
        with socket.create_connection((self.host, self._evaluates_at), CTL_TIMEOUT_S) as connection:
            connection.sendall(struct.pack("!I", len(expressions)) + expressions.encode())
            with connection.makefile("rb") as told:
                (size,) = struct.unpack("!I", told.read(4))
                return told.read(size).decode()

    async def control(self, *arguments: str) -> str:
        """Runs a `rabbitmqctl` command in a thread, because the event loop must go on sending heartbeats."""
        return await asyncio.to_thread(self.ctl, *arguments)

    def settle(self) -> None:
        """Makes the node write its declared objects to disk, where a kill cannot lose them."""
        self.evaluate(SETTLE)

    def disconnect(self) -> None:
        """Closes the node's connections to the other nodes of its cluster. They are opened again at once."""
        self.evaluate(DISCONNECT)

    def vhost(self) -> str:
        """Returns the URL of an empty vhost that no other test uses."""
        if not self._spare_vhosts:
            self._make_vhosts()
        return self.url + self._spare_vhosts.pop(0)

    def _make_vhosts(self) -> None:
        for left in reversed(range(VHOST_ATTEMPTS)):
            first, *_, last = numbers = list(itertools.islice(self._vhost_numbers, VHOSTS_AT_ONCE))
            try:
                self.evaluate(MAKE_VHOSTS % (first, last))
                self._spare_vhosts = [f"test-{number}" for number in numbers]
                return
            except RuntimeError:
                if not left:
                    raise
                time.sleep(1)


def _host(machine: Machine | None) -> str:
    return machine.address if machine else "127.0.0.1"


def _on(machine: Machine | None, command: list[str]) -> list[str]:
    return machine.namespace.command(*command) if machine else command


def _environment(folder: str, name: str, epmd: Epmd) -> dict[str, str]:
    own = {
        "HOME": folder,  # of .erlang.cookie
        "RABBITMQ_NODENAME": name,
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": f"{folder}/data",
        "RABBITMQ_LOG_BASE": f"{folder}/log",
        "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
        "RABBITMQ_CONF_ENV_FILE": os.devnull,  # the machine's own broker is none of our business
        "ERL_EPMD_PORT": str(epmd.port),
        "ERL_EPMD_ADDRESS": epmd.host,
        "RUNNING_UNDER_SYSTEMD": "true",  # the script then execs erl: the process we started is the broker
    }
    return {**os.environ, **own}


def _configure(folder: Path, host: str, port: int, plugins: Mapping[str, int]) -> None:
    lines = [
        f"listeners.tcp.1 = {host}:{port}",
        "log.console = true",
        "log.file = false",
        "disk_free_limit.absolute = 50MB",
    ]
    for plugin, plugin_port in plugins.items():
        lines += [f"{plugin}.tcp.ip = {host}", f"{plugin}.tcp.port = {plugin_port}"]
    (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
    (folder / "enabled_plugins").write_text(f"[{','.join(f'rabbitmq_{plugin}' for plugin in plugins)}].")
    _write_cookie(folder, secrets.token_hex(16))


def _write_cookie(folder: Path, secret: str) -> None:
    cookie = folder / COOKIE
    cookie.unlink(missing_ok=True)
    cookie.write_text(secret)
    cookie.chmod(0o400)
