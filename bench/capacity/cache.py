"""Costs of a cached answer, in memory or in redis, and of the redis commands of a lookup."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

from redis.asyncio import Redis

from bench.capacity.figure import Figure, resident_bytes
from bench.lookup import UPSTREAM_BODY
from bouquet_gateway.access.open_counters import open_counters
from bouquet_gateway.access.rate_limit import RateLimiter
from bouquet_gateway.stores.cache import Cache, key_of
from bouquet_gateway.stores.open_cache import open_cache
from bouquet_mesh.secret import Secret

KEY = Secret("the key that seals the cache of the benchmark")
SIZES = (10_000, 100_000)
HINT = b"cnaf"
DAY_S = 24 * 3600
READS = 2_000
TOGETHER = 50
ANSWER = f"answer of {len(UPSTREAM_BODY)} bytes"

Numbered: TypeAlias = Callable[[int], Awaitable[object]]


async def in_memory() -> list[Figure]:
    """Returns the memory and the CPU time that one answer costs in a cache in this process. Each is measured with as
    many cached answers as each number in `SIZES`."""
    found: list[Figure] = []
    async with open_cache(Secret("memory:"), KEY, max_items=SIZES[-1], max_bytes=10**10) as cache:
        for begun, size in zip((0, *SIZES), SIZES, strict=False):
            before = resident_bytes()
            set_us = await _one_by_one(partial(_put, cache), begun, size)
            grown = (resident_bytes() - before) / (size - begun)
            get_us = await _one_by_one(lambda number: cache.get(_name(number)), 0, READS)
            found += [
                Figure(f"{ANSWER} in memory", f"kept, to {size:,}", grown, "bytes"),
                Figure(f"{ANSWER} in memory", f"set, to {size:,}", set_us, "µs"),
                Figure(f"{ANSWER} in memory", f"get, of {size:,}", get_us, "µs"),
            ]
    return found


async def in_redis(url: str) -> list[Figure]:
    """Measures redis as the cache. Returns the cost of one cached answer, of one cached hint (whether CAF or MSA knows
    a person), and of the redis commands of one lookup."""
    found: list[Figure] = []
    async with open_cache(Secret(url), KEY) as cache, Redis.from_url(url) as server:
        for begun, size in zip((0, *SIZES), SIZES, strict=False):
            times, before, cpu_s = size - begun, await _used_bytes(server), await _cpu_s(server)
            ours_us = await _together(partial(_put, cache), begun, size)
            theirs_us = (await _cpu_s(server) - cpu_s) / times * 1e6
            grown = (await _used_bytes(server) - before) / times
            found += [
                Figure(f"{ANSWER} in redis", f"kept, to {size:,}", grown, "bytes"),
                Figure(f"{ANSWER} in redis", f"set, to {size:,}, {TOGETHER} at once: gateway", ours_us, "µs"),
                Figure(f"{ANSWER} in redis", f"set, to {size:,}, {TOGETHER} at once: redis", theirs_us, "µs"),
            ]
        found += await _one_hint(cache, server)
        found += await _one_lookup(url, cache, server)
    return found


async def _one_hint(cache: Cache, server: Redis) -> list[Figure]:
    before = await _used_bytes(server)
    await _together(lambda number: cache.set(key_of(KEY, "regime", str(number)), HINT, 30 * DAY_S), 0, SIZES[0])
    return [Figure("regime hint in redis", "kept", (await _used_bytes(server) - before) / SIZES[0], "bytes")]


async def _one_lookup(url: str, cache: Cache, server: Redis) -> list[Figure]:
    """Measures how many redis commands a lookup needs if the person is not in the cache, and how much CPU these
    commands take."""
    # They are the rate limit, the marker of a call in flight, reads that find neither an answer nor a regime hint
    # (which of CAF and MSA knows the person), writes of both, and removal of the marker.
    async with open_counters(Secret(url)) as counters:
        pace = RateLimiter(counters, limit=10**9)

        async def lookup(number: int) -> None:
            person, hint, marker = (key_of(KEY, kind, str(number)) for kind in ("data", "hint", "in flight"))
            await pace.hit(str(number % 1000))
            await cache.add(marker, 11)
            await cache.get(person)
            await cache.get(hint)
            await cache.set(hint, HINT, 30 * DAY_S)
            await cache.set(person, UPSTREAM_BODY, DAY_S)
            await cache.delete(marker)

        commands, cpu_s = await _commands(server), await _cpu_s(server)
        ours_us = await _together(lookup, SIZES[-1], SIZES[-1] + READS)
        theirs_us, asked = (await _cpu_s(server) - cpu_s) / READS * 1e6, await _commands(server) - commands
    return [
        Figure("new person's lookup in redis", "commands", asked / READS, ""),
        Figure("new person's lookup in redis", f"{TOGETHER} at once: gateway", ours_us, "µs"),
        Figure("new person's lookup in redis", f"{TOGETHER} at once: redis", theirs_us, "µs"),
    ]


async def _together(call: Numbered, begin: int, end: int) -> float:
    """Calls `call` with each number in `range(begin, end)`, with `TOGETHER` calls running concurrently. Returns the CPU
    time of this process in µs per call."""
    began = time.process_time()
    for first in range(begin, end, TOGETHER):
        await asyncio.gather(*(call(number) for number in range(first, first + TOGETHER)))
    return (time.process_time() - began) / (end - begin) * 1e6


async def _one_by_one(call: Numbered, begin: int, end: int) -> float:
    began = time.process_time()
    for number in range(begin, end):
        await call(number)
    return (time.process_time() - began) / (end - begin) * 1e6


def _name(number: int) -> str:
    return key_of(KEY, "data", str(number))


async def _put(cache: Cache, number: int) -> None:
    await cache.set(_name(number), bytes(bytearray(UPSTREAM_BODY)), DAY_S)  # a copy: each answer is its own


async def _used_bytes(server: Redis) -> float:
    return float((await server.info("memory"))["used_memory"])


async def _cpu_s(server: Redis) -> float:
    used = await server.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


async def _commands(server: Redis) -> float:
    return float((await server.info("stats"))["total_commands_processed"])
