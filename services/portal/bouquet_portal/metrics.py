"""Prometheus metrics of the portal."""
# Label values come from closed sets: names of routes, HTTP statuses, documents.

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

READY = Gauge("bouquet_portal_ready", "Always 1: this process of the portal has started and serves pages.")
REQUESTS = Counter(
    "bouquet_portal_requests_total", "HTTP requests that the portal answered, by route and status.", ["route", "status"]
)
REQUEST_SECONDS = Histogram(
    "bouquet_portal_request_seconds",
    "Seconds that the portal took to answer an HTTP request, by route.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
DOCUMENT_READ = Gauge(
    "bouquet_portal_document_read_timestamp_seconds",
    "Time, in epoch seconds, at which the portal last read a document of the gateway.",
    ["document"],
)
READING_FAILURES = Counter(
    "bouquet_portal_reading_failures_total",
    "Failed readings of the gateway's documents. After a failure, the portal shows the document that it last read.",
    ["document"],
)
MAILS = Counter(
    "bouquet_portal_mails_total",
    "Attempts to send a software editor a confirmation mail, by result: `sent`, `refused` (by the mail server) or "
    "`deferred` (the portal will try again).",
    ["result"],
)
for _result in ("sent", "refused", "deferred"):
    MAILS.labels(_result)  # at 0, so that a rate includes the first attempt
