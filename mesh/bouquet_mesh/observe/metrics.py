"""Prometheus metrics that every process has. Label values come from closed sets (providers, reasons, kinds of
request), never from a caller (docs/metrics.md)."""

from __future__ import annotations

import asyncio
from functools import cache

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from bouquet_mesh.observe.former_names import FormerName

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LEFT_SECONDS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0)

CALLS = Counter(
    "bouquet_bus_calls_total",
    "Calls over the bus that have ended, counted by the calling process; `fault` is the party at fault (caller, "
    "platform or provider).",
    ["provider", "request", "outcome", "reason", "fault"],
)
CALL_SECONDS = Histogram(
    "bouquet_bus_call_seconds",
    "Seconds that a call over the bus took, from publishing the request to its reply.",
    ["provider", "request"],
    buckets=SECONDS,
)
HANDLED = Counter(
    "bouquet_worker_requests_total",
    "Requests that a worker answered; `fault` is the party at fault (caller, platform or provider).",
    ["provider", "request", "outcome", "reason", "fault"],
)
HANDLE_SECONDS = Histogram(
    "bouquet_worker_request_seconds",
    "Seconds that a worker took to handle a request.",
    ["provider", "request"],
    buckets=SECONDS,
)
REQUESTS_IN_FLIGHT = Gauge("bouquet_worker_requests_in_flight", "Requests that a worker is handling.", ["provider"])
QUEUE_SECONDS = Histogram(
    "bouquet_worker_queue_seconds",
    "Seconds from publishing a request to the start of its handling; wrong by as much as the hosts' clocks differ.",
    ["provider"],
    buckets=SECONDS,
)
DEADLINE_LEFT_SECONDS = Histogram(
    "bouquet_worker_deadline_left_seconds",
    "Seconds left until a request's deadline when its handling is about to begin. A request with 0 seconds left fails.",
    ["provider"],
    buckets=LEFT_SECONDS,
)
LATE_REPLIES = Counter("bouquet_bus_late_replies_total", "Replies that arrived after their call had ended.")
CALLS_PENDING = Gauge("bouquet_bus_calls_pending", "Calls over the bus that wait for a reply.")
BUS_CONNECTED = Gauge(
    "bouquet_bus_connected",
    "1 if a bus of this process is connected to the broker, else 0. `connection` is the connection's name at the "
    "broker.",
    ["connection"],
)
OUTBOX_CONNECTED = Gauge(
    "bouquet_outbox_connected",
    "1 if the outbox of this process, which sends or receives journal records, is connected to the broker, else 0. "
    "`connection` is the connection's name at the broker.",
    ["connection"],
)
FORMER_OUTBOX_CONNECTED = FormerName("bouquet_post_connected", OUTBOX_CONNECTED)
READY = Gauge("bouquet_ready", "1 if this process reports at /readyz that it is ready, else 0.", ["service"])
CERTIFICATE_END = Gauge(
    "bouquet_certificate_not_after_timestamp_seconds",
    "Time, in epoch seconds, at which a certificate expires. `use` is `own` (of this process), `authority` (trusted by "
    "this process) or `server` (shown by a server). `setting` names the setting with the certificate's file; for "
    "`server`, it is the server's host name.",
    ["setting", "use"],
)
LOOP_LAG_SECONDS = Histogram(
    "bouquet_event_loop_lag_seconds",
    "Seconds by which the event loop wakes a sleeping task too late. All other work of this process is as late.",
    buckets=SECONDS,
)
HTTP_CONNECTIONS = Gauge("bouquet_http_connections", "Open HTTP connections to the ports of this process.")
HTTP_CLOSED = Counter(
    "bouquet_http_connections_closed_total",
    "HTTP connections that the server closed because of a limit, by `reason`. `head`, `body`, `write` and `idle` are "
    "time limits; `unsent` limits unread response bytes. `address` and `connections` limit the connections of one "
    "address and of one port. `descriptors` limits the process's file descriptors. `requests` means that the process "
    "could take no further request, and ended a request whose body had not arrived.",
    ["reason"],
)
HTTP_REFUSED = Counter(
    "bouquet_http_requests_refused_total",
    "HTTP requests that the HTTP server refused before the application saw them, by reason.",
    ["reason"],
)
TASKS = Gauge("bouquet_tasks", "Asyncio tasks of this process that have not ended.")

# Cached, because looking up a metric's labels costs more than the observation itself.
calls = cache(CALLS.labels)
handled = cache(HANDLED.labels)
call_seconds = cache(CALL_SECONDS.labels)
handle_seconds = cache(HANDLE_SECONDS.labels)
requests_in_flight = cache(REQUESTS_IN_FLIGHT.labels)
queue_seconds = cache(QUEUE_SECONDS.labels)
deadline_left_seconds = cache(DEADLINE_LEFT_SECONDS.labels)
http_closed = cache(HTTP_CLOSED.labels)
http_refused = cache(HTTP_REFUSED.labels)


def exposition(accept: str) -> tuple[bytes, str]:
    """Returns the body and the content type of the answer to `/metrics`, in the format that the `Accept` header asks
    for."""
    encode, content_type = choose_encoder(accept)
    return encode(REGISTRY), content_type


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # called outside of an event loop
        return 0


TASKS.set_function(_tasks)
