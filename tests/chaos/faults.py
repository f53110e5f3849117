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
from tests.chaos.mesh import Town
from tests.chaos.schedule import WORKERS, Strike
from tests.chaos.upstreams import LATE, WELL
from tests.support.broker import Right
from tests.support.daemon import Daemon
from tests.support.proxy import Relay

TRICKLE_BYTES, TRICKLE_S = 100, 0.01
AHEAD_S = 30.0
"""Beyond every deadline."""
SLOW_S = 0.03
"""A piece: a busy connection has as many as it can carry in one go."""

Doing: TypeAlias = Callable[[Town, str], AbstractAsyncContextManager[None]]


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
async def _stopped(town: Town, name: str) -> AsyncIterator[None]:
    member = town.members[name]
    await member.end()
    try:
        yield
    finally:
        await member.begin()


@asynccontextmanager
async def _misdated(town: Town, name: str, ahead_s: float) -> AsyncIterator[None]:
    """Its clock is so much before or behind everybody's from a restart to the next."""
    member = town.members[name]
    async with _stopped(town, name):
        member.clock_ahead_s = ahead_s
    try:
        yield
    finally:
        async with _stopped(town, name):
            member.clock_ahead_s = 0.0


@asynccontextmanager
async def _short_of_memory(town: Town, _: str) -> AsyncIterator[None]:
    await town.broker.control("set_vm_memory_high_watermark", "0")
    try:
        yield
    finally:
        await town.broker.control("set_vm_memory_high_watermark", "0.4")


@asynccontextmanager
async def _queue_deleted(town: Town, provider: str) -> AsyncIterator[None]:
    """Its workers make it anew."""
    await town.vhost.delete(queue_of(provider))
    yield


@asynccontextmanager
async def _unentitled(right: Right, town: Town, process: str) -> AsyncIterator[None]:
    try:
        async with town.vhost.without(f"bouquet-{process}", right):
            yield
    finally:  # a broker that is killed next would forget what it gave back
        await asyncio.to_thread(town.broker.settle)


@asynccontextmanager
async def _cut(way: Relay) -> AsyncIterator[None]:
    await way.shut()
    try:
        yield
    finally:
        await way.open()


@asynccontextmanager
async def _silent(way: Relay, *, there: bool = True, back: bool = True) -> AsyncIterator[None]:
    way.hold(there=there, back=back)
    try:
        yield
    finally:
        way.flow()


@asynccontextmanager
async def _slow(way: Relay, delay_s: float = SLOW_S, piece_bytes: int = 65536) -> AsyncIterator[None]:
    way.delay_s, way.piece_bytes = delay_s, piece_bytes
    try:
        yield
    finally:
        way.flow()


@asynccontextmanager
async def _feeling(mood: str, town: Town, fund: str) -> AsyncIterator[None]:
    async with ClientSession(town.funds.url) as session:
        await session.put(f"/moods/{fund}/{mood}")
        try:
            yield
        finally:
            await session.put(f"/moods/{fund}/{WELL}")


def _every_worker_killed(town: Town, provider: str) -> AbstractAsyncContextManager[None]:
    return _killed(*(town.members[name] for name in WORKERS if name.startswith(provider)))


DOING: dict[str, Doing] = {
    "broker killed": lambda town, _: _killed(town.broker),
    "broker hung": lambda town, _: _hung(town.broker),
    "broker short of memory": _short_of_memory,
    "queue deleted": _queue_deleted,
    "right to configure lost": partial(_unentitled, "configure"),
    "right to write lost": partial(_unentitled, "write"),
    "right to read lost": partial(_unentitled, "read"),
    "way to the broker cut": lambda town, name: _cut(town.ways[name]),
    "way to the broker silent": lambda town, name: _silent(town.ways[name]),
    "way to the broker half open": lambda town, name: _silent(town.ways[name], back=False),
    "way to the broker slow": lambda town, name: _slow(town.ways[name]),
    "way to the fund cut": lambda town, fund: _cut(town.ways[fund]),
    "way to the fund silent": lambda town, fund: _silent(town.ways[fund]),
    "way to the fund half open": lambda town, fund: _silent(town.ways[fund], there=False),
    "way to the fund trickling": lambda town, fund: _slow(town.ways[fund], TRICKLE_S, TRICKLE_BYTES),
    "way to the fund slow": lambda town, fund: _slow(town.ways[fund]),
    "fund answers 500": partial(_feeling, Fault.INTERNAL.value),
    "fund answers 503": partial(_feeling, Fault.UNAVAILABLE.value),
    "fund answers garbage": partial(_feeling, Fault.TRUNCATED.value),
    "fund hangs up": partial(_feeling, Fault.CUT.value),
    "fund answers late": partial(_feeling, LATE),
    "worker killed": lambda town, name: _killed(town.members[name]),
    "worker hung": lambda town, name: _hung(town.members[name]),
    "worker stopped": _stopped,
    "worker's clock ahead": lambda town, name: _misdated(town, name, AHEAD_S),
    "worker's clock behind": lambda town, name: _misdated(town, name, -AHEAD_S),
    "every worker killed": _every_worker_killed,
    "gateway killed": lambda town, name: _killed(town.members[name]),
    "gateway stopped": _stopped,
    "redis killed": lambda town, _: _killed(town.redis),
    "redis hung": lambda town, _: _hung(town.redis),
    "registry killed": lambda town, _: _killed(town.members["registry"]),
}


async def strike(town: Town, what: Strike) -> None:
    """Breaks it, and returns once it has been mended."""
    async with DOING[what.fault](town, what.target):
        await asyncio.sleep(what.lasts_s)
