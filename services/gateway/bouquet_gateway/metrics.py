"""The gateway's Prometheus metrics. Labels: operation ids of the catalogue, HTTP statuses, words of closed sets."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from bouquet_mesh.observe.metrics import SECONDS

OVERHEAD_SECONDS_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

REQUESTS = Counter(
    "bouquet_gateway_requests_total",
    "HTTP requests answered, and whose fault it is that there is no data: nobody's when a provider has none.",
    ["operation", "version", "status", "fault"],
)
REQUEST_SECONDS = Histogram(
    "bouquet_gateway_request_seconds", "From the request's head to its answer.", ["operation"], buckets=SECONDS
)
OVERHEAD_SECONDS = Histogram(
    "bouquet_gateway_overhead_seconds",
    "What a request that a provider was asked for took besides, in this process and for its registry and stores.",
    buckets=OVERHEAD_SECONDS_BUCKETS,
)
PROBLEMS = Counter(
    "bouquet_gateway_problems_total", "Errors that callers were told, by reason, and whose fault.", ["reason", "fault"]
)
IN_FLIGHT = Gauge("bouquet_gateway_requests_in_flight", "HTTP requests being answered, probes apart.")
MAX_IN_FLIGHT = Gauge("bouquet_gateway_max_requests", "How many requests it takes at a time.")
MAX_CALLS_IN_FLIGHT = Gauge("bouquet_gateway_max_calls_per_provider", "How many of them one provider may hold.")
CALLS_IN_FLIGHT = Gauge(
    "bouquet_gateway_calls_in_flight", "Calls to a provider that have not ended, waited for or not.", ["provider"]
)
REFUSED = Counter(
    "bouquet_gateway_refused_total",
    "What was refused for want of room: a request (`overloaded`), or a call to a provider (`provider_busy`).",
    ["reason", "provider"],
)
OPERATIONS = Gauge(
    "bouquet_gateway_provider_operations",
    "Operations that an allowed provider offers; 0 until it is heard.",
    ["provider"],
)
RESOURCE_STATE = Gauge(
    "bouquet_gateway_resource_state",
    "1 for the state that `/api/{resource}/ping` tells, by this process's own calls: ok, bad_gateway, unknown, "
    "maintenance.",
    ["resource", "state"],
)
SAFEGUARD_OFF = Gauge(
    "bouquet_gateway_safeguard_off",
    "1 where a setting takes away what makes answers accountable: JOURNAL, TOKENS_FROM, SANDBOX.",
    ["setting"],
)
STORE_UP = Gauge("bouquet_gateway_store_up", "Whether a store that the gateway can do without answers.", ["store"])
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
REPLIES_REFUSED = Counter(
    "bouquet_gateway_replies_refused_total",
    "Replies of workers beyond their limits, by what there is too much of, and not read: the caller is told that the "
    "provider failed.",
    ["provider", "excess"],
)
UNKNOWN_BEARERS = Counter(
    "bouquet_gateway_unknown_bearers_total",
    "Bearers that nobody knows, perhaps several of a call: `refused`; `slowed`, since their address had too many "
    "refused; `too_many` sessions at once.",
    ["result"],
)
for _result in ("refused", "slowed", "too_many"):
    UNKNOWN_BEARERS.labels(_result)
CACHE_LOOKUPS = Counter(
    "bouquet_gateway_cache_lookups_total", "Lookups by what the cache gave: hit, miss, joined, bypassed.", ["result"]
)
REGIME = Counter(
    "bouquet_gateway_regime_decisions_total",
    "Regime decisions, by the provider that found (or none) and how it was known: hint, first, second, both.",
    ["provider", "source"],
)
REGIME_ANOMALIES = Counter(
    "bouquet_gateway_regime_anomalies_total", "Pairs of answers that contradict each other.", ["anomaly"]
)

# A look-up of its labels costs more than the observation itself.
requests = cache(REQUESTS.labels)
request_seconds = cache(REQUEST_SECONDS.labels)
problems = cache(PROBLEMS.labels)
cache_lookups = cache(CACHE_LOOKUPS.labels)
calls_in_flight = cache(CALLS_IN_FLIGHT.labels)
regime = cache(REGIME.labels)

JOURNAL_WRITTEN = Counter("bouquet_gateway_journal_written_total", "Records written into the spool.")
JOURNAL_STRANGERS = Counter(
    "bouquet_gateway_journal_strangers_total",
    "Calls that leave no record and are given no data: without a token of ours or a citizen's session, or refused more "
    "often than 60 times a minute to one token.",
)
JOURNAL_SENT = Counter("bouquet_gateway_journal_sent_total", "Records that the outbox has confirmed.")
JOURNAL_HOLD_UPS = Counter(
    "bouquet_gateway_journal_hold_ups_total", "Attempts to send records that were not confirmed."
)
JOURNAL_REFUSED = Counter(
    "bouquet_gateway_journal_refused_total", "Calls whose answer was held back, since it could not be recorded."
)
JOURNAL_BYTES = Gauge("bouquet_gateway_journal_spool_bytes", "What the spool of this process holds.")
JOURNAL_MAX_BYTES = Gauge("bouquet_gateway_journal_spool_max_bytes", "What it may hold.")
JOURNAL_OLDEST_SECONDS = Gauge("bouquet_gateway_journal_oldest_seconds", "Age of the oldest record not sent.")
