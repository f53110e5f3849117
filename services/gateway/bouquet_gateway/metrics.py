"""Prometheus metrics of the gateway. Label values are names of providers, resources and operations, HTTP statuses, or
words from fixed lists, never texts that callers have sent."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from bouquet_mesh.observe.metrics import SECONDS

OVERHEAD_SECONDS_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

REQUESTS = Counter(
    "bouquet_gateway_requests_total",
    "HTTP requests answered, and parts of dossiers. `fault` is the party at fault for an error; empty for data, and "
    "where the provider has no data.",
    ["operation", "version", "status", "fault"],
)
REQUEST_SECONDS = Histogram(
    "bouquet_gateway_request_seconds",
    "Duration of a request in seconds, from the receipt of its head until its answer is ready to be sent.",
    ["operation"],
    buckets=SECONDS,
)
OVERHEAD_SECONDS = Histogram(
    "bouquet_gateway_overhead_seconds",
    "Seconds that a call took without its wait for providers: in this process, the registry and redis. Calls that "
    "waited for no provider are left out.",
    buckets=OVERHEAD_SECONDS_BUCKETS,
)
PROBLEMS = Counter(
    "bouquet_gateway_problems_total", "Errors answered to callers, by reason and party at fault.", ["reason", "fault"]
)
IN_FLIGHT = Gauge(
    "bouquet_gateway_requests_in_flight", "HTTP requests being answered, without health probes and `/metrics`."
)
MAX_IN_FLIGHT = Gauge("bouquet_gateway_max_requests", "Limit on the HTTP requests that one process answers at a time.")
MAX_CALLS_IN_FLIGHT = Gauge("bouquet_gateway_max_calls_per_provider", "Limit on the calls in flight to one provider.")
CALLS_IN_FLIGHT = Gauge(
    "bouquet_gateway_calls_in_flight",
    "Calls to a provider that have not ended, including those whose caller does not wait any more.",
    ["provider"],
)
REFUSED = Counter(
    "bouquet_gateway_refused_total",
    "Refusals for lack of capacity: requests (`overloaded`), and calls to a provider (`provider_busy`).",
    ["reason", "provider"],
)
OPERATIONS = Gauge(
    "bouquet_gateway_provider_operations",
    "Number of operations in the offer of a provider that the gateway may ask; 0 until its first offer.",
    ["provider"],
)
OPERATION_INFO = Gauge(
    "bouquet_gateway_operation_info",
    "1 for each operation that the gateway serves. `provider` names the provider that answers, or all that may answer, "
    "as in `cnaf, msa`.",
    ["operation", "provider"],
)
RESOURCE_STATE = Gauge(
    "bouquet_gateway_resource_state",
    "1 for the current state of a resource, 0 for its other states (ok, bad_gateway, unknown, maintenance). It is the "
    "state shown at `/api/{resource}/ping`, from the calls of this process.",
    ["resource", "state"],
)
SAFEGUARD_OFF = Gauge(
    "bouquet_gateway_safeguard_off",
    "1 for a safeguard (JOURNAL, TOKENS_FROM, SANDBOX) that is turned off by its setting, else 0.",
    ["setting"],
)
STORE_UP = Gauge(
    "bouquet_gateway_store_up", "1 if redis answers, else 0. The gateway also works without redis.", ["store"]
)
PROVIDERS_FILE_REFUSED = Gauge(
    "bouquet_gateway_providers_file_refused",
    "1 while the file of BOUQUET_GATEWAY_PROVIDERS_FILE cannot be used, and the providers read before stay allowed; "
    "else 0.",
)
OFFERS_REFUSED = Counter(
    "bouquet_gateway_offers_refused_total",
    "Operations, documents and offers of workers that the gateway does not serve, by reason; each counted once, when "
    "its refusal begins.",
    ["provider", "reason"],
)
OFFER_REFUSALS = Gauge(
    "bouquet_gateway_offer_refusals",
    "Operations, documents and fields that the gateway refuses now of what a provider's workers offer.",
    ["provider"],
)
REPLIES_RESHAPED = Counter(
    "bouquet_gateway_replies_reshaped_total",
    "Workers' replies whose data does not match the operation's schema, by result: `refused`, or `trimmed` if only "
    "undeclared fields had to be removed.",
    ["provider", "result"],
)
REPLIES_REFUSED = Counter(
    "bouquet_gateway_replies_refused_total",
    "Workers' replies that were refused because they exceed a limit, which `excess` names: `too large`, `too deep` …",
    ["provider", "excess"],
)
UNKNOWN_BEARERS = Counter(
    "bouquet_gateway_unknown_bearers_total",
    "Unknown bearer tokens, by result: `refused`; `slowed`, if too many tokens from the same address were refused; "
    "`too_many`, if too many new FranceConnect sessions were asked for at once.",
    ["result"],
)
for _result in ("refused", "slowed", "too_many"):
    UNKNOWN_BEARERS.labels(_result)
UNKNOWN_RECIPIENTS = Counter(
    "bouquet_gateway_unknown_recipients_total",
    "Calls by editors for recipients that delegate nothing to them, by result: `refused` (403), or `slowed` (429) once "
    "the editor has made too many of them in a minute.",
    ["result"],
)
for _result in ("refused", "slowed"):
    UNKNOWN_RECIPIENTS.labels(_result)
CACHE_LOOKUPS = Counter(
    "bouquet_gateway_cache_lookups_total",
    "Lookups by result: `hit` or `miss` in the cache; `joined` if the lookup waited for an identical one in flight; "
    "`bypassed` if its answer must not come from the cache.",
    ["result"],
)
REGIME = Counter(
    "bouquet_gateway_regime_decisions_total",
    "Choices between the CAF and the MSA. `provider` is the one that found the person (or none). `source` tells how: "
    "the `hint` (it knew the person last time), the `first` or `second` provider asked, or a comparison of `both` "
    "answers.",
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
regime = cache(REGIME.labels)

JOURNAL_WRITTEN = Counter("bouquet_gateway_journal_written_total", "Journal records written to the spool.")
JOURNAL_UNRECORDED = Counter(
    "bouquet_gateway_journal_strangers_total",
    "Calls answered without data that left no journal record: calls with neither a token issued by Bouquet nor a "
    "citizen's session, and refusals of one token beyond 60 a minute.",
)
JOURNAL_SENT = Counter("bouquet_gateway_journal_sent_total", "Journal records that the broker has confirmed.")
JOURNAL_HOLD_UPS = Counter(
    "bouquet_gateway_journal_hold_ups_total",
    "Failed attempts to send journal records: the broker did not confirm them.",
)
JOURNAL_REFUSED = Counter(
    "bouquet_gateway_journal_refused_total", "Calls refused because their journal record could not be written."
)
JOURNAL_BYTES = Gauge("bouquet_gateway_journal_spool_bytes", "Bytes of journal records in the spool of this process.")
JOURNAL_MAX_BYTES = Gauge("bouquet_gateway_journal_spool_max_bytes", "Limit on the bytes in the spool of this process.")
JOURNAL_OLDEST_SECONDS = Gauge(
    "bouquet_gateway_journal_oldest_seconds", "Age in seconds of the oldest journal record not sent yet; 0 without any."
)
