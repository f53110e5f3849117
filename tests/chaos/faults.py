"""How each fault of the schedule is done to a town, and undone: a context each, mended at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TypeAlias

from aiohttp import ClientSession

from bouquet_proto.names import queue_of
from bouquet_worker.simulate import Fault
from tests.chaos.mesh import ChaosMesh
from tests.chaos.schedule import WORKERS, Injection
from tests.chaos.upstreams import LATE, NORMAL
from tests.support.broker import Permission
from tests.support.daemon import Daemon
from tests.support.proxy import TcpProxy

TRICKLE_BYTES, TRICKLE_S = 100, 0.01
AHEAD_S = 30.0
"""Beyond every deadline."""
SLOW_S = 0.03
"""A piece: a busy connection has as many as it can carry in one go."""

Injector: TypeAlias = Callable[[ChaosMesh, str], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def _killed(*daemons: Daemon) -> AsyncIterator[None]:
    for daemon in daemons:
        daemon.kill()
    try:
        yield
    finally:
        await asyncio.gather(*(asyncio.to_thread(daemon.start) for daemon in daemons))


@asynccontextmanager
async def _hung(daemon: Daemon) -> AsyncIterator[None]:
    daemon.pause()
    try:
        yield
    finally:
        daemon.resume()


@asynccontextmanager
async def _stopped(town: ChaosMesh, name: str) -> AsyncIterator[None]:
    member = town.processes[name]
    await member.terminate()
    try:
        yield
    finally:
        await member.start_async()


@asynccontextmanager
async def _misdated(town: ChaosMesh, name: str, ahead_s: float) -> AsyncIterator[None]:
    """Its clock is so much before or behind everybody's from a restart to the next."""
    member = town.processes[name]
    async with _stopped(town, name):
        member.clock_ahead_s = ahead_s
    try:
        yield
    finally:
        async with _stopped(town, name):
            member.clock_ahead_s = 0.0


@asynccontextmanager
async def _short_of_memory(town: ChaosMesh, _: str) -> AsyncIterator[None]:
    await town.broker.control("set_vm_memory_high_watermark", "0")
    try:
        yield
    finally:
        await town.broker.control("set_vm_memory_high_watermark", "0.4")


@asynccontextmanager
async def _queue_deleted(town: ChaosMesh, provider: str) -> AsyncIterator[None]:
    """Its workers make it anew."""
    await town.vhost.delete(queue_of(provider))
    yield


@asynccontextmanager
async def _permission_lost(right: Permission, town: ChaosMesh, process: str) -> AsyncIterator[None]:
    try:
        async with town.vhost.without_permission(f"bouquet-{process}", right):
            yield
    finally:  # a broker that is killed next would forget what it gave back
        await asyncio.to_thread(town.broker.settle)


@asynccontextmanager
async def _cut(way: TcpProxy) -> AsyncIterator[None]:
    await way.close()
    try:
        yield
    finally:
        await way.open()


@asynccontextmanager
async def _silent(way: TcpProxy, *, there: bool = True, back: bool = True) -> AsyncIterator[None]:
    way.hold(there=there, back=back)
    try:
        yield
    finally:
        way.resume()


@asynccontextmanager
async def _slow(way: TcpProxy, delay_s: float = SLOW_S, piece_bytes: int = 65536) -> AsyncIterator[None]:
    way.delay_s, way.piece_bytes = delay_s, piece_bytes
    try:
        yield
    finally:
        way.resume()


@asynccontextmanager
async def _misbehaving(mood: str, town: ChaosMesh, fund: str) -> AsyncIterator[None]:
    async with ClientSession(town.upstreams.url) as session:
        await session.put(f"/moods/{fund}/{mood}")
        try:
            yield
        finally:
            await session.put(f"/moods/{fund}/{NORMAL}")


def _every_worker_killed(town: ChaosMesh, provider: str) -> AbstractAsyncContextManager[None]:
    return _killed(*(town.processes[name] for name in WORKERS if name.startswith(provider)))


INJECTORS: dict[str, Injector] = {
    "broker killed": lambda town, _: _killed(town.broker),
    "broker hung": lambda town, _: _hung(town.broker),
    "broker short of memory": _short_of_memory,
    "queue deleted": _queue_deleted,
    "right to configure lost": partial(_permission_lost, "configure"),
    "right to write lost": partial(_permission_lost, "write"),
    "right to read lost": partial(_permission_lost, "read"),
    "way to the broker cut": lambda town, name: _cut(town.proxies[name]),
    "way to the broker silent": lambda town, name: _silent(town.proxies[name]),
    "way to the broker half open": lambda town, name: _silent(town.proxies[name], back=False),
    "way to the broker slow": lambda town, name: _slow(town.proxies[name]),
    "way to the fund cut": lambda town, fund: _cut(town.proxies[fund]),
    "way to the fund silent": lambda town, fund: _silent(town.proxies[fund]),
    "way to the fund half open": lambda town, fund: _silent(town.proxies[fund], there=False),
    "way to the fund trickling": lambda town, fund: _slow(town.proxies[fund], TRICKLE_S, TRICKLE_BYTES),
    "way to the fund slow": lambda town, fund: _slow(town.proxies[fund]),
    "fund answers 500": partial(_misbehaving, Fault.INTERNAL.value),
    "fund answers 503": partial(_misbehaving, Fault.UNAVAILABLE.value),
    "fund answers garbage": partial(_misbehaving, Fault.TRUNCATED.value),
    "fund hangs up": partial(_misbehaving, Fault.CUT.value),
    "fund answers late": partial(_misbehaving, LATE),
    "worker killed": lambda town, name: _killed(town.processes[name]),
    "worker hung": lambda town, name: _hung(town.processes[name]),
    "worker stopped": _stopped,
    "worker's clock ahead": lambda town, name: _misdated(town, name, AHEAD_S),
    "worker's clock behind": lambda town, name: _misdated(town, name, -AHEAD_S),
    "every worker killed": _every_worker_killed,
    "gateway killed": lambda town, name: _killed(town.processes[name]),
    "gateway stopped": _stopped,
    "redis killed": lambda town, _: _killed(town.redis),
    "redis hung": lambda town, _: _hung(town.redis),
    "registry killed": lambda town, _: _killed(town.processes["registry"]),
}


async def inject(town: ChaosMesh, what: Injection) -> None:
    """Breaks it, and returns once it has been mended."""
    async with INJECTORS[what.fault](town, what.target):
        await asyncio.sleep(what.lasts_s)
