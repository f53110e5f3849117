"""The bus as a request sees it: each provider has its share of calls under way, and a slow one fills no other's."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from bouquet_gateway import metrics
from bouquet_mesh.bus.api import Calling
from bouquet_proto.messages import Changes, Describe, Failed, Reply, Request


class Bulkheads:
    """`provider_busy` at once above `most`, rather than a place in a queue that outlives its callers.

    Owns the calls under way, each ended by its own deadline: one that nobody waits for any more is still the
    worker's to do, and so still counts. What the gateway asks for itself, one at a time, always passes.
    """

    def __init__(self, bus: Calling, most: int) -> None:
        self._bus = bus
        self._most = most
        metrics.MAX_CALLS_IN_FLIGHT.set(most)
        self._under_way: defaultdict[str, set[asyncio.Task[Reply]]] = defaultdict(set)

    @property
    def ready(self) -> bool:
        return self._bus.ready

    async def call(self, provider: str, request: Request) -> Reply:
        if isinstance(request, Describe | Changes):
            return await self._bus.call(provider, request)
        calls = self._under_way[provider]
        if len(calls) >= self._most:
            metrics.REFUSED.labels("provider_busy", provider).inc()
            return Failed("provider_busy")
        call = asyncio.create_task(self._bus.call(provider, request))
        calls.add(call)
        gauge = metrics.calls_in_flight(provider)
        gauge.inc()

        def ended(_: object) -> None:
            calls.discard(call)
            gauge.dec()

        call.add_done_callback(ended)
        return await asyncio.shield(call)
