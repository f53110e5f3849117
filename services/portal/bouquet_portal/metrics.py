"""Prometheus metrics of the portal. Label values come from closed sets: names of routes, HTTP statuses, documents."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

READY = Gauge("bouquet_portal_ready", "Always 1: this process of the portal has started and serves pages.")
REQUESTS = Counter("bouquet_portal_requests_total", "HTTP requests that the portal answered.", ["route", "status"])
REQUEST_SECONDS = Histogram(
    "bouquet_portal_request_seconds",
    "Time that the portal took to answer an HTTP request.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
DOCUMENT_READ = Gauge(
    "bouquet_portal_document_read_timestamp_seconds",
    "Time at which a document of the gateway that the portal shows was last read.",
    ["document"],
)
READING_FAILURES = Counter(
    "bouquet_portal_reading_failures_total",
    "Readings of the gateway's documents that failed; the portal then shows the last document that it has read.",
    ["document"],
)
MAILS = Counter(
    "bouquet_portal_mails_total",
    "Attempts to mail a confirmation to an editor: `sent`, `refused` for its address, or `deferred` to be tried again.",
    ["result"],
)
for _result in ("sent", "refused", "deferred"):
    MAILS.labels(_result)  # at 0, so that a rate includes the first attempt
