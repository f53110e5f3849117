"""Limits on unknown bearer tokens, for each caller's address. A limit for each token would be useless, since a caller
can invent any number of tokens."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Generic, TypeVar

from msgspec import Struct

MINUTE_S = 60
MAX_ADDRESSES = 100_000
"""Largest number of addresses for which unknown bearer tokens are counted; together they take about 20 MB. Above this
number, the oldest address is dropped."""

V = TypeVar("V")
Clock = Callable[[], float]


class _Count(Struct):
    accepted: int = 0
    refused: int = 0


class AddressThrottle:
    """Limiter of unknown bearer tokens by IP address. An address that sends too many of them in a minute must wait
    until the next minute."""

    # These are more than `limit` refused ones, and more refused than accepted.

    def __init__(self, limit: int, clock: Clock = time.time) -> None:
        self._limit = limit
        self._clock = clock
        self._minute = 0
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def count_accepted(self, address: str) -> None:
        self._count_of(address).accepted += 1

    def count_refused(self, address: str) -> None:
        self._count_of(address).refused += 1

    def retry_in_s(self, address: str) -> int:
        """Returns the seconds that `address` must wait before another unknown bearer token is checked, or 0 if it need
        not wait."""
        count = self._count_of(address)
        if count.refused <= self._limit or count.refused <= count.accepted:
            return 0
        return max(1, round((self._minute + 1) * MINUTE_S - self._clock()))

    def _count_of(self, address: str) -> _Count:
        minute = int(self._clock() // MINUTE_S)
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
        key = network_of(address)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count()
            if len(self._counts) > MAX_ADDRESSES:
                self._counts.popitem(last=False)
        return count


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Returns the key under which calls from an address are counted: the address itself for IPv4, and its /64 network
    for IPv6."""
    try:
        read = ip_address(address)
    except ValueError:
        return ""
    if not isinstance(read, IPv6Address):
        return str(read)
    return str(read.ipv4_mapped or ip_network((read, 64), strict=False))


class Pacer:
    """Rate limiter that lets `per_second` callers proceed each second, and makes the others wait."""

    def __init__(self, per_second: int, clock: Clock = time.monotonic) -> None:
        self._interval_s = 1 / per_second
        self._clock = clock
        self._next_at = 0.0
        """Monotonic time of the next caller's turn. Turns follow each other at equal intervals."""
        # A caller may proceed one second earlier, which allows bursts.

    async def acquire(self, max_wait_s: float) -> bool:
        """Waits until the caller may proceed, and returns True. Returns False at once if the wait would exceed
        `max_wait_s`."""
        now = self._clock()
        wait_s = max(0.0, self._next_at - now - 1.0)
        if wait_s > max_wait_s:
            return False
        self._next_at = max(self._next_at, now) + self._interval_s
        if wait_s:
            await asyncio.sleep(wait_s)
        return True


class ExpiringValues(Generic[V]):
    """Mapping whose values expire after `ttl_s` seconds. It holds at most `limit` values; adding one more removes the
    oldest."""

    def __init__(self, limit: int, ttl_s: float, clock: Clock = time.monotonic) -> None:
        self._limit = limit
        self._ttl_s = ttl_s
        self._clock = clock
        self._values: OrderedDict[bytes, tuple[float, V]] = OrderedDict()

    def put(self, key: bytes, value: V) -> None:
        self._values.pop(key, None)
        self._values[key] = (self._clock() + self._ttl_s, value)
        if len(self._values) > self._limit:
            self._values.popitem(last=False)

    def get(self, key: bytes) -> V | None:
        until, value = self._values.get(key, (0.0, None))
        return value if self._clock() < until else None
