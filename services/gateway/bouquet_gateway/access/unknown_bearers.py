"""How many bearers that nobody knows are looked into: keyed by the address of a call, which its caller cannot choose.

What a caller writes, a bearer above all, is no key: whoever invents a thousand would have a thousand limits. Counts are
of this process alone.
"""

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
"""That are counted at a time, some 20 MB; of more, the first is forgotten."""

V = TypeVar("V")
Clock = Callable[[], float]


class _Count(Struct):
    accepted: int = 0
    refused: int = 0


class Addresses:
    """Slows an address down that had more than `most` bearers refused in a minute, if more than were known: whoever
    shares it with the guilty is slowed with them only while these are the greater part."""

    def __init__(self, most: int, clock: Clock = time.time) -> None:
        self._most = most
        self._clock = clock
        self._minute = 0
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def accept(self, address: str) -> None:
        """What a call bore is known."""
        self._of(address).accepted += 1

    def refuse(self, address: str) -> None:
        """What it bore was refused."""
        self._of(address).refused += 1

    def slowed_s(self, address: str) -> int:
        """Seconds until the address may try again a bearer that nobody knows; 0: at once."""
        count = self._of(address)
        if count.refused <= self._most or count.refused <= count.accepted:
            return 0
        return max(1, round((self._minute + 1) * MINUTE_S - self._clock()))

    def _of(self, address: str) -> _Count:
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
    """An address of IPv4; of IPv6, the /64, within which anybody may take another. What is no address is one."""
    try:
        read = ip_address(address)
    except ValueError:
        return ""
    if not isinstance(read, IPv6Address):
        return str(read)
    return str(read.ipv4_mapped or ip_network((read, 64), strict=False))


class Turns:
    """`per_second` turns, a second's at once at most: whoever comes later waits, and is refused rather than wait
    long."""

    def __init__(self, per_second: int, clock: Clock = time.monotonic) -> None:
        self._interval_s = 1 / per_second
        self._clock = clock
        self._next_at = 0.0
        """When a turn is free that nobody waits for, were they given evenly."""

    async def turn(self, patience_s: float) -> bool:
        """False at once where it would take longer."""
        now = self._clock()
        wait_s = max(0.0, self._next_at - now - 1.0)
        if wait_s > patience_s:
            return False
        self._next_at = max(self._next_at, now) + self._interval_s
        if wait_s:
            await asyncio.sleep(wait_s)
        return True


class Remembered(Generic[V]):
    """The last `most` values, each for `ttl_s`."""

    def __init__(self, most: int, ttl_s: float, clock: Clock = time.monotonic) -> None:
        self._most = most
        self._ttl_s = ttl_s
        self._clock = clock
        self._values: OrderedDict[bytes, tuple[float, V]] = OrderedDict()

    def put(self, key: bytes, value: V) -> None:
        self._values.pop(key, None)
        self._values[key] = (self._clock() + self._ttl_s, value)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def get(self, key: bytes) -> V | None:
        until, value = self._values.get(key, (0.0, None))
        return value if self._clock() < until else None
