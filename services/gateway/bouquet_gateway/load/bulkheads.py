"""Bulkheads: limits on the calls in flight to each provider. A slow provider thus leaves capacity for the others."""

from __future__ import annotations

from collections import Counter

from bouquet_gateway import metrics
from bouquet_mesh.bus.api import BusClient
from bouquet_proto.messages import Changes, Describe, Failed, Lookup, Reply, Request

MIN_CALLERS = 4
"""Number by which the limit on calls to a provider is divided to get one caller's limit. With 4, a caller may use at
most a quarter."""


class Bulkheads:
    """Bus that limits the calls in flight to each provider, for all callers together and for each caller. A call above
    a limit fails with `provider_busy`."""

    # A call counts until it ends, since the worker is busy with it. So no caller cancels a call that it does not need
    # any more. The gateway's own requests (`Describe`, `Changes`) are not limited.

    def __init__(self, bus: BusClient, max_calls: int) -> None:
        self._bus = bus
        self._max_calls = max_calls
        metrics.MAX_CALLS_IN_FLIGHT.set(max_calls)
        self._max_calls_of_caller = max(1, max_calls // MIN_CALLERS)
        self._calls_of_providers: Counter[str] = Counter()
        """Number of calls in flight, by provider."""
        self._calls_of_callers: Counter[tuple[str, str]] = Counter()
        """Number of calls in flight, by provider and by caller (keyed hash, `Caller.mark`)."""

    @property
    def ready(self) -> bool:
        return self._bus.ready

    async def call(self, provider: str, request: Request) -> Reply:
        """Sends a request to a provider and returns the reply. If too many calls are in flight, returns the failure
        `provider_busy` instead."""
        if isinstance(request, Describe | Changes):
            return await self._bus.call(provider, request)
        caller = (provider, request.caller.mark) if isinstance(request, Lookup) and request.caller.mark else None
        if self._is_full(provider, caller):
            metrics.REFUSED.labels("provider_busy", provider).inc()
            return Failed("provider_busy")
        self._count(provider, caller, 1)
        try:
            return await self._bus.call(provider, request)
        finally:
            self._count(provider, caller, -1)

    def _is_full(self, provider: str, caller: tuple[str, str] | None) -> bool:
        is_caller_full = caller is not None and self._calls_of_callers[caller] >= self._max_calls_of_caller
        return is_caller_full or self._calls_of_providers[provider] >= self._max_calls

    def _count(self, provider: str, caller: tuple[str, str] | None, change: int) -> None:
        if provider not in self._calls_of_providers:
            metrics.CALLS_IN_FLIGHT.labels(provider).set_function(lambda: self._calls_of_providers[provider])
        self._calls_of_providers[provider] += change
        if caller is not None:
            self._calls_of_callers[caller] += change
            if not self._calls_of_callers[caller]:
                del self._calls_of_callers[caller]
