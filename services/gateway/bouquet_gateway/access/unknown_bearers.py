"""Limits on unknown bearer tokens, by the caller's IP address."""
# A limit by token would be useless, since a caller can invent any number of tokens.

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from msgspec import Struct

from bouquet_mesh.networks import networks_of

MINUTE_S = 60
MAX_NETWORKS = 100_000
"""Largest number of networks for which unknown bearer tokens are counted. Above this number, the count of the network
that came first is dropped."""
# All counts together take about 20 MB.
NETWORK_LIMIT_FACTOR = 10
"""Limit of an IPv6 /48 network, as a multiple of the limit of one IP address. In IPv6, each /64 network counts as one
address."""

V = TypeVar("V")
Clock = Callable[[], float]


class _Count(Struct):
    accepted: int = 0
    refused: int = 0


class AddressThrottle:
    """Limiter of unknown bearer tokens, by the IP address that sends them. An address that sends too many must wait
    until the next minute.

    An address may send a fixed number of unknown tokens per minute, or as many as its accepted tokens if their number
    is higher.
    """

    # In IPv6, the address is its /64 network; since one customer may have a /48 of 65,536 such networks, that is
    # limited too.

    def __init__(self, limit: int, clock: Clock = time.time) -> None:
        self._limit = limit
        self._clock = clock
        self._minute = 0
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def count_accepted(self, address: str) -> None:
        for count in self._counts_of(address):
            count.accepted += 1

    def count_refused(self, address: str) -> None:
        for count in self._counts_of(address):
            count.refused += 1

    def retry_in_s(self, address: str) -> int:
        """Returns the seconds that `address` must wait after too many unknown bearer tokens; 0 if it need not wait."""
        limit = self._limit
        for count in self._counts_of(address):
            if count.refused > limit and count.refused > count.accepted:
                return max(1, round((self._minute + 1) * MINUTE_S - self._clock()))
            limit *= NETWORK_LIMIT_FACTOR
        return 0

    def _counts_of(self, address: str) -> list[_Count]:
        minute = int(self._clock() // MINUTE_S)
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
        return [self._count_of(network) for network in networks_of(address)]

    def _count_of(self, network: str) -> _Count:
        count = self._counts.get(network)
        if count is None:
            count = self._counts[network] = _Count()
            if len(self._counts) > MAX_NETWORKS:
                self._counts.popitem(last=False)
        return count


class Pacer:
    """Rate limiter that lets a fixed number of callers proceed each second, at equal intervals. Other callers wait for
    their turn."""

    def __init__(self, per_second: int, clock: Clock = time.monotonic) -> None:
        self._interval_s = 1 / per_second
        self._clock = clock
        self._next_at = 0.0
        """Time, in seconds of the monotonic clock, of the next caller's turn."""
        # A caller may proceed one second earlier, which allows bursts.

    async def acquire(self, max_wait_s: float) -> bool:
        """Waits for the caller's turn, and returns True. If the turn is more than `max_wait_s` seconds away, returns
        False at once."""
        now = self._clock()
        wait_s = max(0.0, self._next_at - now - 1.0)
        if wait_s > max_wait_s:
            return False
        self._next_at = max(self._next_at, now) + self._interval_s
        if wait_s:
            await asyncio.sleep(wait_s)
        return True


class ExpiringValues(Generic[V]):
    """Mapping whose values expire after a fixed time. Above a limit on the size, the oldest value is removed."""

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
