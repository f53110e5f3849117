"""Command `make cluster`: a mesh on three RabbitMQ nodes on this machine, to call and to break by hand.

It prints an address and a token, and reads commands from standard input, such as `kill node-1`. Ctrl-C ends everything.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Self, TypeAlias

import uvloop

from bouquet_mesh.signals import stop_signals
from tests.chaos.faults import cut_off, hung, killed, stopped
from tests.chaos.invariants import Caller
from tests.chaos.mesh import ChaosMesh, chaos_cluster
from tests.chaos.people import BY_NAME, Citizen
from tests.chaos.schedule import NODES
from tests.support.rabbitmq import RELEASES

Tell: TypeAlias = Callable[[str], object]
Breaking: TypeAlias = Callable[[ChaosMesh, str], AbstractAsyncContextManager[None]]

BREAKING: dict[str, Breaking] = {
    "kill": lambda mesh, name: killed(mesh.daemons[name]),
    "hang": lambda mesh, name: hung(mesh.daemons[name]),
    "stop": stopped,
    "cut": cut_off,
    "isolate": lambda mesh, name: cut_off(mesh, name, clients=False),
}
"""Commands of the console that break a part of the mesh, each mapped to the function that breaks it."""
NODES_ONLY = frozenset({"cut", "isolate"})
NEVER_STOPPED = frozenset({"redis", "database"})
"""Servers to which the command `stop` does not apply. The commands `kill` and `hang` do."""
HELP = """\
kill NAME     SIGKILL, as a crash
hang NAME     SIGSTOP: its connections stay open, and nothing answers
stop NAME     SIGTERM, an orderly stop
cut NODE      all packets between the node and everything else vanish
isolate NODE  packets between the node and the other nodes vanish
mend NAME     ends any of these: the part is started, resumed or connected again
list          names, process ids, addresses"""


class Console:
    """Console on which a person breaks and mends parts of a mesh by commands. Mends all broken parts at the end of its
    context."""

    def __init__(self, mesh: ChaosMesh, tell: Tell) -> None:
        self._mesh = mesh
        self._tell = tell
        self._broken: dict[str, AsyncExitStack] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._broken:
            await self._broken.popitem()[1].aclose()

    async def execute(self, line: str) -> None:
        """Carries out one command and prints its outcome. Prints help for an unknown command."""
        match line.split():
            case []:
                pass
            case ["list"]:
                self._tell(parts(self._mesh))
            case ["mend", name] if name in self._broken:
                await self._broken.pop(name).aclose()
                self._tell(f"{name}: mended")
            case [verb, name] if self._can(verb, name):
                self._broken[name] = broken = AsyncExitStack()
                await broken.enter_async_context(BREAKING[verb](self._mesh, name))
                self._tell(f"{name}: broken by {verb}, until `mend {name}`")
            case _:
                self._tell(HELP)

    def _can(self, verb: str, name: str) -> bool:
        if verb not in BREAKING or name not in self._mesh.daemons or name in self._broken:
            return False
        if verb in NODES_ONLY:
            return name in NODES and self._mesh.cluster.network is not None
        return verb != "stop" or name not in NEVER_STOPPED


def parts(mesh: ChaosMesh) -> str:
    """Returns a table of the parts of a mesh: name, process id and address."""
    rows = [
        (name, str(part.pid) if part.is_running else "-", f"{part.host}:{part.port}")
        for name, part in sorted(mesh.daemons.items())
    ]
    return "\n".join(f"{name:<10} {pid:>8}  {address}" for name, pid, address in rows)


def introduction(mesh: ChaosMesh, caller: Caller) -> str:
    citizen = Citizen(1, BY_NAME["of the CAF"])
    url = f"{mesh.processes['gateway-1'].url}{citizen.kind.path}?{citizen.query()}"
    return "\n".join(
        (
            f"Gateways: {mesh.processes['gateway-1'].url} and {mesh.processes['gateway-2'].url}",
            f"Token: {caller.token}",
            "",
            f"curl --globoff -H {shlex.quote(f'Authorization: Bearer {caller.token}')} {shlex.quote(url)}",
            "",
            parts(mesh),
            "",
            "Commands here, or `kill -9 PID`, `kill -STOP PID` in another terminal; Ctrl-C ends everything.",
            HELP,
        )
    )


async def run(folder: Path, rabbitmq: int, *, khepri: bool, tell: Tell) -> None:
    """Runs the mesh, and carries out commands typed on standard input until SIGINT or SIGTERM."""
    with stop_signals() as stop:
        tell("Starting three RabbitMQ nodes, PostgreSQL, redis and eleven processes of Bouquet: half a minute")
        async with chaos_cluster(folder, RELEASES[rabbitmq], khepri=khepri) as mesh:
            tell(introduction(mesh, (await mesh.callers())[0]))
            async with Console(mesh, tell) as console:
                await _obey_lines(console, stop)
                tell("Ending")


async def _obey_lines(console: Console, stop: asyncio.Event) -> None:
    """Carries out each line of standard input until `stop` is set."""
    lines = asyncio.Queue[str]()
    _read_lines(lines)
    stopping = asyncio.create_task(stop.wait())
    while not stop.is_set():
        line = asyncio.create_task(lines.get())
        await asyncio.wait((line, stopping), return_when=asyncio.FIRST_COMPLETED)
        if line.done():
            await console.execute(line.result())
        line.cancel()


def _read_lines(lines: asyncio.Queue[str]) -> None:
    loop, descriptor, rest = asyncio.get_running_loop(), sys.stdin.fileno(), bytearray()

    def read() -> None:
        if piece := os.read(descriptor, 4096):
            rest.extend(piece)
            *whole, last = rest.decode(errors="replace").split("\n")
            rest[:] = last.encode()
            for line in whole:
                lines.put_nowait(line)
        else:
            loop.remove_reader(descriptor)

    if not os.path.isfile(f"/proc/self/fd/{descriptor}") and not _is_null(descriptor):
        loop.add_reader(descriptor, read)


def _is_null(descriptor: int) -> bool:
    return os.fstat(descriptor).st_rdev == os.stat(os.devnull).st_rdev


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.cluster", description=__doc__)
    parser.add_argument("--rabbitmq", type=int, choices=RELEASES, default=4, help="major version of RabbitMQ (4)")
    parser.add_argument("--mnesia", action="store_true", help="keep the definitions of the nodes in Mnesia, not Khepri")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bouquet-cluster-") as folder:
        uvloop.run(
            run(Path(folder), given.rabbitmq, khepri=not given.mnesia, tell=lambda text: print(text, flush=True))
        )


if __name__ == "__main__":
    main()
