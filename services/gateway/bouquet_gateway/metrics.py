"""The gateway's Prometheus metrics. Labels: operation ids of the catalogue, HTTP statuses, words of closed sets."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from bouquet_proto.metrics import SECONDS

REQUESTS = Counter("bouquet_gateway_requests_total", "HTTP requests answered.", ["operation", "status"])
REQUEST_SECONDS = Histogram(
    "bouquet_gateway_request_seconds", "From the request's head to its answer.", ["operation"], buckets=SECONDS
)
IN_FLIGHT = Gauge("bouquet_gateway_requests_in_flight", "HTTP requests being answered, probes apart.")
CALLS_IN_FLIGHT = Gauge(
    "bouquet_gateway_calls_in_flight", "Calls to a provider that have not ended, waited for or not.", ["provider"]
)
REFUSED = Counter(
    "bouquet_gateway_refused_total",
    "What was refused for want of room: a request (`overloaded`), or a call to a provider (`provider_busy`).",
    ["reason", "provider"],
)
OFFERS_REFUSED = Counter(
    "bouquet_gateway_offers_refused_total",
    "What a provider offered and is not served, by reason, each time that a catalogue is made.",
    ["provider", "reason"],
)
REPLIES_RESHAPED = Counter(
    "bouquet_gateway_replies_reshaped_total",
    "Resources unlike their offer: refused, or trimmed of the fields that it does not name.",
    ["provider", "result"],
)
CACHE = Counter(
    "bouquet_gateway_cache_total", "Lookups by what the cache gave: hit, miss, joined, bypassed.", ["result"]
)
REGIME = Counter(
    "bouquet_gateway_regime_total",
    "Regime decisions, by the provider that found (or none) and how it was known: hint, first, second, both.",
    ["provider", "source"],
)
REGIME_ANOMALIES = Counter(
    "bouquet_gateway_regime_anomalies_total", "Pairs of answers that contradict each other.", ["anomaly"]
)

JOURNAL_WRITTEN = Counter("bouquet_gateway_journal_written_total", "Records written into the spool.")
JOURNAL_SENT = Counter("bouquet_gateway_journal_sent_total", "Records that the post has confirmed.")
JOURNAL_HOLD_UPS = Counter(
    "bouquet_gateway_journal_hold_ups_total", "Attempts to send records that were not confirmed."
)
JOURNAL_REFUSED = Counter(
    "bouquet_gateway_journal_refused_total", "Calls whose answer was held back, since it could not be recorded."
)
JOURNAL_BYTES = Gauge("bouquet_gateway_journal_spool_bytes", "What the spool of this process holds.")
JOURNAL_MAX_BYTES = Gauge("bouquet_gateway_journal_spool_max_bytes", "What it may hold.")
JOURNAL_OLDEST_SECONDS = Gauge("bouquet_gateway_journal_oldest_seconds", "Age of the oldest record not sent.")
