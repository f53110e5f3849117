"""A client of an administration's API (upstream) for tests, without the worker around it."""

from __future__ import annotations

from bouquet_worker import Upstream, UpstreamClient, WorkerSettings
from bouquet_worker.breaker import Breaker

PROVIDER = "acme"
"""Provider in whose name the client works. Metrics and logs of the client show it."""


def open_upstream(
    upstream: Upstream, settings: WorkerSettings | None = None, *, breaker: Breaker | None = None
) -> UpstreamClient:
    """Returns a client of an upstream, made as a worker does: an async context manager that opens its connections."""
    return UpstreamClient(upstream, PROVIDER, settings or WorkerSettings(), breaker=breaker)
