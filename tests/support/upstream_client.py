"""An upstream client without a worker."""

from __future__ import annotations

from bouquet_worker import Upstream, UpstreamClient, WorkerSettings
from bouquet_worker.breaker import Breaker

PROVIDER = "acme"
"""Provider that the client belongs to."""


def open_upstream(
    upstream: Upstream, settings: WorkerSettings | None = None, *, breaker: Breaker | None = None
) -> UpstreamClient:
    """Returns the async context manager that `Worker.connected` enters for an upstream."""
    return UpstreamClient(upstream, PROVIDER, settings or WorkerSettings(), breaker=breaker)
