"""Metrics of a worker and its upstreams. No label holds a value from a request or an answer."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from bouquet_mesh.observe.metrics import SECONDS

UPSTREAM_CALLS = Counter(
    "bouquet_upstream_calls_total",
    "Calls to an upstream, by outcome: `answered` (any HTTP status), `interrupted` (cancelled) or a reason of failure. "
    "A call counts once, even if it is retried. A request for a token counts as a call of its own.",
    ["provider", "upstream", "route", "outcome"],
)
UPSTREAM_SECONDS = Histogram(
    "bouquet_upstream_seconds",
    "Duration of a call to an upstream, in seconds, with its retry and its request for a token, if any.",
    ["provider", "upstream", "route"],
    buckets=SECONDS,
)
UPSTREAM_REPEATS = Counter(
    "bouquet_upstream_repeats_total",
    "Calls to an upstream that were retried after a failure. A retry with a new token, after a 401, does not count.",
    ["provider", "upstream"],
)
BREAKER_OPEN = Gauge(
    "bouquet_upstream_breaker_open",
    "Whether the circuit breaker of an upstream is open (1) or closed (0).",
    ["provider", "upstream"],
)
CONCURRENCY = Gauge(
    "bouquet_worker_concurrency",
    "Largest number of requests that a process of the worker handles at once: the worker's setting `CONCURRENCY`.",
    ["provider"],
)

# Each set of labels is looked up once, since these are used at every call.
upstream_calls = cache(UPSTREAM_CALLS.labels)
upstream_seconds = cache(UPSTREAM_SECONDS.labels)
