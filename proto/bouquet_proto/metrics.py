"""The mesh's own Prometheus metrics. Labels come from closed sets (providers, reasons), never from a request."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

CALLS = Counter(
    "bouquet_bus_calls_total",
    "Requests that ended on the asking side of the bus, by outcome and reason.",
    ["provider", "outcome", "reason"],
)
CALL_SECONDS = Histogram(
    "bouquet_bus_call_seconds", "From the request's publication to its reply.", ["provider"], buckets=SECONDS
)
HANDLED = Counter(
    "bouquet_worker_requests_total",
    "Requests that a worker answered, by outcome and reason.",
    ["provider", "outcome", "reason"],
)
HANDLE_SECONDS = Histogram(
    "bouquet_worker_request_seconds", "Time a worker spent on a request.", ["provider"], buckets=SECONDS
)
LATE_REPLIES = Counter("bouquet_bus_late_replies_total", "Replies that nobody waited for any more.")
BUS_CONNECTED = Gauge("bouquet_bus_connected", "Whether this process is connected to the broker.")
POST_CONNECTED = Gauge("bouquet_post_connected", "Whether this process is connected to the broker for its post.")
