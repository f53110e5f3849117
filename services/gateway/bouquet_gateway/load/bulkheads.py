"""The bus as a request sees it: each provider has its share of calls under way, and a slow one fills no other's."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict

from bouquet_gateway import metrics
from bouquet_mesh.bus.api import Calling
from bouquet_proto.messages import Changes, Describe, Failed, Lookup, Reply, Request

CALLERS_AT_LEAST = 4
"""Among whom a provider's places are shared: none of them holds more than such a part."""


class Bulkheads:
    """`provider_busy` at once above `most`, rather than a place in a queue that outlives its callers; and above a
    quarter of them for one caller.

    Owns the calls under way, each ended by its own deadline: one that nobody waits for any more is still the
    worker's to do, and so still counts. What the gateway asks for itself, one at a time, always passes.
    """

    def __init__(self, bus: Calling, most: int) -> None:
        self._bus = bus
        self._most = most
        metrics.MAX_CALLS_IN_FLIGHT.set(most)
        self._most_of_one = max(1, most // CALLERS_AT_LEAST)
        self._under_way: defaultdict[str, set[asyncio.Task[Reply]]] = defaultdict(set)
        self._held: Counter[tuple[str, str]] = Counter()
        """Places, by provider and caller."""

    @property
    def ready(self) -> bool:
        return self._bus.ready

    async def call(self, provider: str, request: Request) -> Reply:
        if isinstance(request, Describe | Changes):
            return await self._bus.call(provider, request)
        calls = self._under_way[provider]
        holder = (provider, request.caller.mark if isinstance(request, Lookup) else "")
        if len(calls) >= self._most or self._held[holder] >= self._most_of_one:
            metrics.REFUSED.labels("provider_busy", provider).inc()
            return Failed("provider_busy")
        call = asyncio.create_task(self._bus.call(provider, request))
        calls.add(call)
        gauge = metrics.calls_in_flight(provider)
        gauge.inc()
        if holder[1]:
            self._held[holder] += 1

        def ended(_: object) -> None:
            calls.discard(call)
            gauge.dec()
            if holder[1]:
                self._held[holder] -= 1
                if not self._held[holder]:
                    del self._held[holder]

        call.add_done_callback(ended)
        return await asyncio.shield(call)
