"""Bulkheads: limits on the calls in flight to each provider, so that a slow one leaves room for the others."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict

from bouquet_gateway import metrics
from bouquet_mesh.bus.api import Calling
from bouquet_proto.messages import Changes, Describe, Failed, Lookup, Reply, Request

MIN_CALLERS = 4
"""Least number of callers that share a provider's limit. A caller may use 1 / `MIN_CALLERS` of it."""


class Bulkheads:
    """Bus with limits on the calls in flight to each provider, for all callers and for each. A call above a limit is
    answered `provider_busy`."""

    # A call counts until it ends, even if its caller has gone, since the worker is still busy with it. The gateway's
    # own requests (`Describe`, `Changes`) are not limited.

    def __init__(self, bus: Calling, max_calls: int) -> None:
        self._bus = bus
        self._max_calls = max_calls
        metrics.MAX_CALLS_IN_FLIGHT.set(max_calls)
        self._max_calls_of_caller = max(1, max_calls // MIN_CALLERS)
        self._in_flight: defaultdict[str, set[asyncio.Task[Reply]]] = defaultdict(set)
        self._calls_of_callers: Counter[tuple[str, str]] = Counter()
        """Number of calls in flight, by provider and caller's `mark` (an opaque id)."""

    @property
    def ready(self) -> bool:
        return self._bus.ready

    async def call(self, provider: str, request: Request) -> Reply:
        """Sends a request to a provider and returns the reply, or `provider_busy` above a limit."""
        if isinstance(request, Describe | Changes):
            return await self._bus.call(provider, request)
        calls = self._in_flight[provider]
        caller = (provider, request.caller.mark if isinstance(request, Lookup) else "")
        if len(calls) >= self._max_calls or self._calls_of_callers[caller] >= self._max_calls_of_caller:
            metrics.REFUSED.labels("provider_busy", provider).inc()
            return Failed("provider_busy")
        call = asyncio.create_task(self._bus.call(provider, request))
        calls.add(call)
        gauge = metrics.calls_in_flight(provider)
        gauge.inc()
        if caller[1]:
            self._calls_of_callers[caller] += 1

        def ended(_: object) -> None:
            calls.discard(call)
            gauge.dec()
            if caller[1]:
                self._calls_of_callers[caller] -= 1
                if not self._calls_of_callers[caller]:
                    del self._calls_of_callers[caller]

        call.add_done_callback(ended)
        return await asyncio.shield(call)
