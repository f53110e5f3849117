"""Prometheus metrics of the gateway. Label values are operation ids of the catalogue, HTTP statuses, or words of closed
sets."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from bouquet_mesh.observe.metrics import SECONDS

OVERHEAD_SECONDS_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

REQUESTS = Counter(
    "bouquet_gateway_requests_total",
    "HTTP requests answered; `fault` is the party at fault for an error, empty for data and where a provider has none.",
    ["operation", "version", "status", "fault"],
)
REQUEST_SECONDS = Histogram(
    "bouquet_gateway_request_seconds",
    "Duration of a request, from its head to its answer.",
    ["operation"],
    buckets=SECONDS,
)
OVERHEAD_SECONDS = Histogram(
    "bouquet_gateway_overhead_seconds",
    "Duration of a lookup without the wait for its provider: time in this process, its registry and its stores.",
    buckets=OVERHEAD_SECONDS_BUCKETS,
)
PROBLEMS = Counter(
    "bouquet_gateway_problems_total", "Errors answered to callers, by reason and party at fault.", ["reason", "fault"]
)
IN_FLIGHT = Gauge("bouquet_gateway_requests_in_flight", "HTTP requests being answered, without probes.")
MAX_IN_FLIGHT = Gauge("bouquet_gateway_max_requests", "Limit on the HTTP requests that one process answers at a time.")
MAX_CALLS_IN_FLIGHT = Gauge("bouquet_gateway_max_calls_per_provider", "Limit on the calls in flight to one provider.")
CALLS_IN_FLIGHT = Gauge(
    "bouquet_gateway_calls_in_flight",
    "Calls to a provider that have not ended, including those whose caller has gone.",
    ["provider"],
)
REFUSED = Counter(
    "bouquet_gateway_refused_total",
    "Refusals for lack of capacity: requests (`overloaded`), and calls to a provider (`provider_busy`).",
    ["reason", "provider"],
)
OPERATIONS = Gauge(
    "bouquet_gateway_provider_operations",
    "Operations that an allowed provider offers; 0 until its first offer.",
    ["provider"],
)
RESOURCE_STATE = Gauge(
    "bouquet_gateway_resource_state",
    "1 for the state that `/api/{resource}/ping` shows, from the calls of this process: ok, bad_gateway, unknown, "
    "maintenance.",
    ["resource", "state"],
)
SAFEGUARD_OFF = Gauge(
    "bouquet_gateway_safeguard_off",
    "1 for a safeguard (JOURNAL, TOKENS_FROM, SANDBOX) that is turned off by its setting, else 0.",
    ["setting"],
)
STORE_UP = Gauge(
    "bouquet_gateway_store_up", "Whether redis, which the gateway can do without, answers: 1 or 0.", ["store"]
)
OFFERS_REFUSED = Counter(
    "bouquet_gateway_offers_refused_total",
    "Operations and documents of offers that are not served, by reason; counted at every change of offers.",
    ["provider", "reason"],
)
REPLIES_RESHAPED = Counter(
    "bouquet_gateway_replies_reshaped_total",
    "Replies that do not match their offer: refused, or trimmed of the fields that it does not name.",
    ["provider", "result"],
)
REPLIES_REFUSED = Counter(
    "bouquet_gateway_replies_refused_total",
    "Replies of workers refused unread for exceeding a limit; `excess` is what there was too much of.",
    ["provider", "excess"],
)
UNKNOWN_BEARERS = Counter(
    "bouquet_gateway_unknown_bearers_total",
    "Bearer tokens that are not known, by result: `refused`; `slowed`, for an address with too many refused ones; "
    "`too_many`, for too many new FranceConnect sessions at once.",
    ["result"],
)
for _result in ("refused", "slowed", "too_many"):
    UNKNOWN_BEARERS.labels(_result)
CACHE_LOOKUPS = Counter(
    "bouquet_gateway_cache_lookups_total",
    "Lookups by result in the cache: hit, miss, joined (an identical lookup in flight), bypassed.",
    ["result"],
)
REGIME = Counter(
    "bouquet_gateway_regime_decisions_total",
    "Regime decisions, by provider that found the person (or none) and how it was known: hint, first, second, both.",
    ["provider", "source"],
)
REGIME_ANOMALIES = Counter(
    "bouquet_gateway_regime_anomalies_total",
    "Contradictions between the answers of the CAF and the MSA about one person.",
    ["anomaly"],
)

# Cached: looking up the labels costs more than the observation itself.
requests = cache(REQUESTS.labels)
request_seconds = cache(REQUEST_SECONDS.labels)
problems = cache(PROBLEMS.labels)
cache_lookups = cache(CACHE_LOOKUPS.labels)
calls_in_flight = cache(CALLS_IN_FLIGHT.labels)
regime = cache(REGIME.labels)

JOURNAL_WRITTEN = Counter("bouquet_gateway_journal_written_total", "Journal records written to the spool.")
JOURNAL_UNRECORDED = Counter(
    "bouquet_gateway_journal_strangers_total",
    "Calls without a journal record, all without data: no token of ours nor a citizen's session, or over 60 refusals "
    "of one token in a minute.",
)
JOURNAL_SENT = Counter("bouquet_gateway_journal_sent_total", "Journal records that the broker has confirmed.")
JOURNAL_HOLD_UPS = Counter(
    "bouquet_gateway_journal_hold_ups_total", "Attempts to send journal records that were not confirmed."
)
JOURNAL_REFUSED = Counter(
    "bouquet_gateway_journal_refused_total", "Calls refused because their journal record could not be written."
)
JOURNAL_BYTES = Gauge("bouquet_gateway_journal_spool_bytes", "Bytes of journal records in the spool of this process.")
JOURNAL_MAX_BYTES = Gauge("bouquet_gateway_journal_spool_max_bytes", "Limit on the bytes in the spool of this process.")
JOURNAL_OLDEST_SECONDS = Gauge(
    "bouquet_gateway_journal_oldest_seconds", "Age of the oldest journal record not sent yet."
)
