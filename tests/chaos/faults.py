"""Injection of faults: for each fault, a context manager that breaks a part of the mesh on entry and mends it on
exit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TypeAlias

from aiohttp import ClientSession

from bouquet_proto.names import queue_of
from bouquet_worker.simulate import Fault
from tests.chaos.mesh import ChaosMesh
from tests.chaos.schedule import GATEWAYS, NODES, WORKERS, Injection
from tests.chaos.upstreams import LATE, NORMAL
from tests.support.broker import Permission
from tests.support.daemon import Daemon
from tests.support.programs import until_status
from tests.support.proxy import TcpProxy

TRICKLE_BYTES, TRICKLE_S = 100, 0.01
AHEAD_S = 30.0
"""Seconds by which a wrong clock is ahead or behind. This is longer than the deadline of any call."""
SLOW_S = 0.03
"""Seconds for which a slow connection delays each piece of data."""

Injector: TypeAlias = Callable[[ChaosMesh, str], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def killed(*daemons: Daemon) -> AsyncIterator[None]:
    for daemon in daemons:
        daemon.kill()
    try:
        yield
    finally:
        await asyncio.gather(*(asyncio.to_thread(daemon.start) for daemon in daemons))


@asynccontextmanager
async def hung(daemon: Daemon) -> AsyncIterator[None]:
    daemon.pause()
    try:
        yield
    finally:
        daemon.resume()


@asynccontextmanager
async def stopped(mesh: ChaosMesh, name: str) -> AsyncIterator[None]:
    """Ends a process or node of the mesh by SIGTERM, and starts it again at the end of the context."""
    await mesh.terminate(name)
    try:
        yield
    finally:
        await asyncio.to_thread(mesh.daemons[name].start)


@asynccontextmanager
async def cut_off(mesh: ChaosMesh, name: str, *, nodes: bool = True, clients: bool = True) -> AsyncIterator[None]:
    """Blocks the network between a node of the cluster and the other nodes, its clients, or both, until the end of the
    context. Packets are dropped, but no connection is closed."""
    addresses = mesh.cluster.addresses_beside(mesh.node(name), nodes=nodes, clients=clients)
    await asyncio.to_thread(mesh.cluster.cut, mesh.node(name), addresses)
    try:
        yield
    finally:
        await asyncio.to_thread(mesh.cluster.mend, mesh.node(name), addresses)


@asynccontextmanager
async def _disconnected(mesh: ChaosMesh, name: str) -> AsyncIterator[None]:
    """Closes the connections of a node to the other nodes, and the nodes connect again within milliseconds."""
    await asyncio.to_thread(mesh.node(name).disconnect)
    yield


@asynccontextmanager
async def _restarted_in_turn(mesh: ChaosMesh, names: Iterable[str]) -> AsyncIterator[None]:
    for name in names:
        async with stopped(mesh, name):
            pass
        if name in mesh.processes:
            await until_status(f"{mesh.processes[name].url}/readyz", 200)
    yield


@asynccontextmanager
async def _misdated(mesh: ChaosMesh, name: str, ahead_s: float) -> AsyncIterator[None]:
    """Restarts a worker with its clock `ahead_s` seconds ahead and, at the end of the context, with the right clock."""
    process = mesh.processes[name]
    async with stopped(mesh, name):
        process.clock_ahead_s = ahead_s
    try:
        yield
    finally:
        async with stopped(mesh, name):
            process.clock_ahead_s = 0.0


@asynccontextmanager
async def _short_of_memory(mesh: ChaosMesh, _: str) -> AsyncIterator[None]:
    await mesh.broker.control("set_vm_memory_high_watermark", "0")
    try:
        yield
    finally:
        await mesh.broker.control("set_vm_memory_high_watermark", "0.4")


@asynccontextmanager
async def _queue_deleted(mesh: ChaosMesh, provider: str) -> AsyncIterator[None]:
    """Deletes the request queue of a provider. The workers must declare it again."""
    await mesh.vhost.delete(queue_of(provider))
    yield


@asynccontextmanager
async def _permission_lost(permission: Permission, mesh: ChaosMesh, process: str) -> AsyncIterator[None]:
    try:
        async with mesh.vhost.without_permission(f"bouquet-{process}", permission):
            yield
    finally:  # a broker that is killed next would forget what it gave back
        await asyncio.to_thread(mesh.broker.settle)


@asynccontextmanager
async def _cut(proxy: TcpProxy) -> AsyncIterator[None]:
    await proxy.close()
    try:
        yield
    finally:
        await proxy.open()


@asynccontextmanager
async def _silent(proxy: TcpProxy, *, there: bool = True, back: bool = True) -> AsyncIterator[None]:
    proxy.hold(from_client=there, from_server=back)
    try:
        yield
    finally:
        proxy.resume()


@asynccontextmanager
async def _slow(proxy: TcpProxy, delay_s: float = SLOW_S, piece_bytes: int = 65536) -> AsyncIterator[None]:
    proxy.delay_s, proxy.piece_bytes = delay_s, piece_bytes
    try:
        yield
    finally:
        proxy.resume()


@asynccontextmanager
async def _misbehaving(behaviour: str, mesh: ChaosMesh, provider: str) -> AsyncIterator[None]:
    async with ClientSession(mesh.upstreams.url) as session:
        await session.put(f"/behaviours/{provider}/{behaviour}")
        try:
            yield
        finally:
            await session.put(f"/behaviours/{provider}/{NORMAL}")


def _hosting(breaking: Injector) -> Injector:
    """Returns an injector that takes the name of a queue, and applies the injector `breaking` to the broker node that
    hosts this queue."""

    @asynccontextmanager
    async def broken(mesh: ChaosMesh, queue: str) -> AsyncIterator[None]:
        name = await mesh.host_of(queue)
        mesh.lost.add(name)
        try:
            async with breaking(mesh, name):
                yield
        finally:
            mesh.lost.discard(name)

    return broken


def _every_worker_killed(mesh: ChaosMesh, provider: str) -> AbstractAsyncContextManager[None]:
    return killed(*(mesh.processes[name] for name in WORKERS if name.startswith(provider)))


INJECTORS: dict[str, Injector] = {
    "broker killed": lambda mesh, _: killed(mesh.broker),
    "broker hung": lambda mesh, _: hung(mesh.broker),
    "broker short of memory": _short_of_memory,
    "queue deleted": _queue_deleted,
    "right to configure lost": partial(_permission_lost, "configure"),
    "right to write lost": partial(_permission_lost, "write"),
    "right to read lost": partial(_permission_lost, "read"),
    "connection to the broker cut": lambda mesh, name: _cut(mesh.proxies[name]),
    "connection to the broker silent": lambda mesh, name: _silent(mesh.proxies[name]),
    "connection to the broker half open": lambda mesh, name: _silent(mesh.proxies[name], back=False),
    "connection to the broker slow": lambda mesh, name: _slow(mesh.proxies[name]),
    "connection to the upstream cut": lambda mesh, provider: _cut(mesh.proxies[provider]),
    "connection to the upstream silent": lambda mesh, provider: _silent(mesh.proxies[provider]),
    "connection to the upstream half open": lambda mesh, provider: _silent(mesh.proxies[provider], there=False),
    "connection to the upstream trickling": lambda mesh, provider: _slow(
        mesh.proxies[provider], TRICKLE_S, TRICKLE_BYTES
    ),
    "connection to the upstream slow": lambda mesh, provider: _slow(mesh.proxies[provider]),
    "upstream answers 500": partial(_misbehaving, Fault.INTERNAL.value),
    "upstream answers 503": partial(_misbehaving, Fault.UNAVAILABLE.value),
    "upstream answers garbage": partial(_misbehaving, Fault.TRUNCATED.value),
    "upstream hangs up": partial(_misbehaving, Fault.CUT.value),
    "upstream answers late": partial(_misbehaving, LATE),
    "worker killed": lambda mesh, name: killed(mesh.processes[name]),
    "worker hung": lambda mesh, name: hung(mesh.processes[name]),
    "worker stopped": stopped,
    "worker's clock ahead": lambda mesh, name: _misdated(mesh, name, AHEAD_S),
    "worker's clock behind": lambda mesh, name: _misdated(mesh, name, -AHEAD_S),
    "every worker killed": _every_worker_killed,
    "gateway killed": lambda mesh, name: killed(mesh.processes[name]),
    "gateway stopped": stopped,
    "redis killed": lambda mesh, _: killed(mesh.redis),
    "redis hung": lambda mesh, _: hung(mesh.redis),
    "registry killed": lambda mesh, _: killed(mesh.processes["registry"]),
    "journal killed": lambda mesh, _: killed(mesh.processes["journal"]),
    "database killed": lambda mesh, name: killed(mesh.daemons[name]),
    "node killed": _hosting(lambda mesh, name: killed(mesh.node(name))),
    "node stopped": _hosting(stopped),
    "node hung": _hosting(lambda mesh, name: hung(mesh.node(name))),
    "node cut from the other nodes": _hosting(lambda mesh, name: cut_off(mesh, name, clients=False)),
    "node cut from its clients": _hosting(lambda mesh, name: cut_off(mesh, name, nodes=False)),
    "node cut off": _hosting(cut_off),
    "node back before it is missed": _hosting(cut_off),
    "node back when it is missed": _hosting(cut_off),
    "connections between nodes lost": _hosting(_disconnected),
    "nodes restarted in turn": lambda mesh, _: _restarted_in_turn(mesh, NODES),
    "gateways restarted in turn": lambda mesh, _: _restarted_in_turn(mesh, GATEWAYS),
    "workers restarted in turn": lambda mesh, _: _restarted_in_turn(mesh, WORKERS),
}


async def inject(mesh: ChaosMesh, what: Injection, meanwhile: Callable[[], Awaitable[None]]) -> None:
    """Injects a fault, calls `meanwhile`, and ends the fault once `lasts_s` seconds have passed and `meanwhile` is
    done."""
    async with INJECTORS[what.fault](mesh, what.target):
        await asyncio.gather(asyncio.sleep(what.lasts_s), meanwhile())
