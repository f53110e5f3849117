"""An upstream that is opened as the kit does it, without a worker."""

from __future__ import annotations

from bouquet_worker import Upstream, UpstreamClient, WorkerSettings
from bouquet_worker.breaker import Breaker

PROVIDER = "acme"


def open_upstream(
    upstream: Upstream, settings: WorkerSettings | None = None, *, breaker: Breaker | None = None
) -> UpstreamClient:
    """An async context manager, as `Worker.connected` enters it."""
    return UpstreamClient(upstream, PROVIDER, settings or WorkerSettings(), breaker=breaker)
