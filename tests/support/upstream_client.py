"""A client of an upstream (an administration's API), without a worker around it."""

from __future__ import annotations

from bouquet_worker import Upstream, UpstreamClient, WorkerSettings
from bouquet_worker.breaker import Breaker

PROVIDER = "acme"


def open_upstream(
    upstream: Upstream, settings: WorkerSettings | None = None, *, breaker: Breaker | None = None
) -> UpstreamClient:
    """Returns a client of an upstream, built as a worker builds its own. It opens its connections when its context is
    entered."""
    return UpstreamClient(upstream, PROVIDER, settings or WorkerSettings(), breaker=breaker)
