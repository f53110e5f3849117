"""A network of machines for tests, made of Linux network namespaces. Tests can cut it as a failing switch would:
packets vanish, and no connection is closed. It needs the rights of root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from tests.support.daemon import find_program, free_port

IS_POSSIBLE = os.getuid() == 0 and all(map(find_program, ("unshare", "nsenter", "ip")))
"""Whether this process may make network namespaces on this machine."""
_ROUTER, _OWN = 254, 253
_HOLD = "echo made; read -r _"
"""Shell command that keeps a network namespace in existence while it runs. It ends when its standard input is closed,
as happens even if the test process is killed."""


class Namespace:
    """A network namespace, which exists until `close`."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", _HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._holder.stdout
        self._holder.stdout.readline()

    @property
    def pid(self) -> int:
        """Process id of the process that holds the namespace."""
        return self._holder.pid

    def close(self) -> None:
        self._holder.kill()
        with self._holder:  # waits, and closes the pipes
            pass

    def command(self, *command: str) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", *command]

    def ip(self, *arguments: str) -> None:
        _run(self.command("ip", *arguments))


class Machine:
    """A machine of a network: an address, and the namespace in which its processes run."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.namespace = Namespace()


class Network:
    """Machines connected by one router. The tests' own process is connected too, under the address `own_address`."""

    def __init__(self, size: int) -> None:
        number = free_port() % (1 << 15)  # of this process alone, as the port is
        self._subnet = f"10.{128 + number // 256}.{number % 256}"
        self._interface = f"bouquet{number}"
        self.own_address = self._address(_OWN)
        self.router = Namespace()
        self.machines = [Machine(self._address(last)) for last in range(1, size + 1)]

    def open(self) -> None:
        """Connects the machines and this process to the router."""
        self.router.ip("link", "set", "lo", "up")
        _run(self.router.command("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"))
        for number, machine in enumerate(self.machines):
            of_machine, address = machine.namespace, machine.address
            self.router.ip(
                "link", "add", f"machine{number}", "type", "veth", "peer", "name", "eth0", "netns", f"{of_machine.pid}"
            )
            self._route(f"machine{number}", address)
            of_machine.ip("address", "add", address, "peer", self._address(_ROUTER), "dev", "eth0")
            of_machine.ip("link", "set", "lo", "up")
            of_machine.ip("link", "set", "eth0", "up")
            of_machine.ip("route", "add", "default", "via", self._address(_ROUTER))
        names = ("link", "add", self._interface, "type", "veth", "peer", "name", "tests", "netns", f"{self.router.pid}")
        _run(["ip", *names])
        self._route("tests", self.own_address)
        _run(["ip", "address", "add", self.own_address, "peer", self._address(_ROUTER), "dev", self._interface])
        _run(["ip", "link", "set", self._interface, "up"])
        _run(["ip", "route", "add", f"{self._subnet}.0/24", "via", self._address(_ROUTER), "src", self.own_address])

    def close(self) -> None:
        """Removes all namespaces, and with them the connections between the machines."""
        with suppress(subprocess.CalledProcessError):  # it has not been made
            _run(["ip", "link", "delete", self._interface])
        for namespace in (*(machine.namespace for machine in self.machines), self.router):
            namespace.close()

    def cut(self, address: str, others: Sequence[str]) -> None:
        """Makes the router drop every packet between `address` and any address in `others`."""
        self._rules("add", address, others)

    def mend(self, address: str, others: Sequence[str]) -> None:
        """Ends a `cut` of the same addresses."""
        self._rules("delete", address, others)

    def _rules(self, action: str, address: str, others: Sequence[str]) -> None:
        for other in others:
            for source, target in ((address, other), (other, address)):
                self.router.ip("rule", action, "from", source, "to", target, "blackhole")

    def _route(self, interface: str, address: str) -> None:
        self.router.ip("address", "add", self._address(_ROUTER), "peer", address, "dev", interface)
        self.router.ip("link", "set", interface, "up")

    def _address(self, last: int) -> str:
        return f"{self._subnet}.{last}"


@contextmanager
def network_of(size: int) -> Iterator[Network]:
    """Makes a network of `size` machines, and removes it at the end of the context."""
    network = Network(size)
    try:
        network.open()
        yield network
    finally:
        network.close()


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, timeout=60)
