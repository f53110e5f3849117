"""What a worker measures of its upstreams. Labels are what authors wrote, or rows of the failure table."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from bouquet_mesh.observe.metrics import SECONDS

UPSTREAM_CALLS = Counter(
    "bouquet_upstream_calls_total",
    "Calls to an upstream by outcome: `answered` whatever the status, `interrupted`, or the reason of the failure.",
    ["provider", "upstream", "route", "outcome"],
)
UPSTREAM_SECONDS = Histogram(
    "bouquet_upstream_seconds",
    "From a call to its end, with its token and its repeat.",
    ["provider", "upstream", "route"],
    buckets=SECONDS,
)
UPSTREAM_REPEATS = Counter(
    "bouquet_upstream_repeats_total", "Calls that were sent a second time.", ["provider", "upstream"]
)
BREAKER_OPEN = Gauge(
    "bouquet_upstream_breaker_open", "Whether calls fail without being sent.", ["provider", "upstream"]
)
CONCURRENCY = Gauge("bouquet_worker_concurrency", "How many requests a worker takes at a time.", ["provider"])

# As in bouquet_mesh.observe.metrics.
upstream_calls = cache(UPSTREAM_CALLS.labels)
upstream_seconds = cache(UPSTREAM_SECONDS.labels)
