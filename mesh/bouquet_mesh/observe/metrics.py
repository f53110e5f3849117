"""The mesh's own Prometheus metrics, and how every process shows its own.

Labels come from closed sets (providers, reasons, kinds of request), never from what a caller wrote. docs/metrics.md
has them all, and what each answers.
"""

from __future__ import annotations

import asyncio
from functools import cache

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LEFT_SECONDS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0)

CALLS = Counter(
    "bouquet_bus_calls_total",
    "Requests that ended on the asking side of the bus, by outcome, reason and whose fault that is.",
    ["provider", "request", "outcome", "reason", "fault"],
)
CALL_SECONDS = Histogram(
    "bouquet_bus_call_seconds",
    "From the request's publication to its reply.",
    ["provider", "request"],
    buckets=SECONDS,
)
HANDLED = Counter(
    "bouquet_worker_requests_total",
    "Requests that a worker answered, by outcome, reason and whose fault that is.",
    ["provider", "request", "outcome", "reason", "fault"],
)
HANDLE_SECONDS = Histogram(
    "bouquet_worker_request_seconds", "Time a worker spent on a request.", ["provider", "request"], buckets=SECONDS
)
IN_HAND = Gauge("bouquet_worker_requests_in_flight", "Requests that a worker works on.", ["provider"])
QUEUE_SECONDS = Histogram(
    "bouquet_worker_queue_seconds",
    "From a request's publication to the start of its work, as far as clocks agree.",
    ["provider"],
    buckets=SECONDS,
)
DEADLINE_LEFT_SECONDS = Histogram(
    "bouquet_worker_deadline_left_seconds",
    "What was left of a request's deadline as its work began; at 0 it is not begun.",
    ["provider"],
    buckets=LEFT_SECONDS,
)
LATE_REPLIES = Counter("bouquet_bus_late_replies_total", "Replies that nobody waited for any more.")
CALLS_PENDING = Gauge("bouquet_bus_calls_pending", "Requests that wait for their reply.")
BUS_CONNECTED = Gauge("bouquet_bus_connected", "Whether this process is connected to the broker.")
OUTBOX_CONNECTED = Gauge("bouquet_post_connected", "Whether this process is connected to the broker for its post.")
READY = Gauge("bouquet_ready", "Whether this process says at /readyz that it can do its work.", ["service"])
CERTIFICATE_END = Gauge(
    "bouquet_certificate_not_after_timestamp_seconds",
    "When the certificates end that a setting names: `own`, or of the `authority` that vouches for the other side; and "
    "that which an upstream's `server` has shown, by its host name in place of a setting.",
    ["setting", "use"],
)
LOOP_LAG_SECONDS = Histogram(
    "bouquet_event_loop_lag_seconds",
    "How late a task that sleeps is woken: what everything else in this process waits for too.",
    buckets=SECONDS,
)
HTTP_CONNECTIONS = Gauge("bouquet_http_connections", "Connections to the ports that this process listens on.")
HTTP_CLOSED = Counter(
    "bouquet_http_connections_closed_total",
    "Connections that a limit has closed: a time limit (`head`, `body`, `write`, `idle`), bytes that the client does "
    "not take (`unsent`), or no room for one more (`connections`, `descriptors`).",
    ["reason"],
)
HTTP_REFUSED = Counter(
    "bouquet_http_requests_refused_total", "Requests refused before the application saw them, by reason.", ["reason"]
)
TASKS = Gauge("bouquet_tasks", "Asyncio tasks of this process that have not ended.")

# A look-up of its labels costs more than the observation itself.
calls = cache(CALLS.labels)
handled = cache(HANDLED.labels)
call_seconds = cache(CALL_SECONDS.labels)
handle_seconds = cache(HANDLE_SECONDS.labels)
in_hand = cache(IN_HAND.labels)
queue_seconds = cache(QUEUE_SECONDS.labels)
deadline_left_seconds = cache(DEADLINE_LEFT_SECONDS.labels)
http_closed = cache(HTTP_CLOSED.labels)
http_refused = cache(HTTP_REFUSED.labels)


def exposition(accept: str) -> tuple[bytes, str]:
    """The body and the content type of `/metrics`: exemplars are only in OpenMetrics, for who accepts it."""
    encode, content_type = choose_encoder(accept)
    return encode(REGISTRY), content_type


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # asked outside of the loop
        return 0


TASKS.set_function(_tasks)
