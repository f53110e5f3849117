"""Prometheus metrics of the gateway. A label never holds a text from a caller: its values are names of providers,
resources and operations, HTTP statuses, or words from fixed lists."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from bouquet_mesh.observe.former_names import FormerName
from bouquet_mesh.observe.metrics import SECONDS

OVERHEAD_SECONDS_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

REQUESTS = Counter(
    "bouquet_gateway_requests_total",
    "HTTP requests answered. A dossier (several lookups in one request) counts once, and once more for each of its "
    "lookups. A tool call at `/mcp` counts twice. `fault` is the party at fault for an error (caller, platform or "
    'provider), and empty for an answer with data or "not found".',
    ["operation", "version", "status", "fault"],
)
REQUEST_SECONDS = Histogram(
    "bouquet_gateway_request_seconds",
    "Duration of a request in seconds, from the receipt of its headers until its answer is ready to be sent. Each "
    "lookup in a dossier and each tool call at `/mcp` is also measured by itself.",
    ["operation"],
    buckets=SECONDS,
)
DOSSIER_PARTS = Counter(
    "bouquet_gateway_dossier_parts_total",
    "Results of the lookups in dossiers (several lookups in one request), by `status`: found, not_found, rejected, "
    "refused or failed. A lookup repeated for several persons has one result for each person.",
    ["status"],
)
OVERHEAD_SECONDS = Histogram(
    "bouquet_gateway_overhead_seconds",
    "Seconds that a call took, without its wait for providers: the time in this process, the registry and redis. "
    "Calls that waited for no provider are left out.",
    buckets=OVERHEAD_SECONDS_BUCKETS,
)
PROBLEMS = Counter(
    "bouquet_gateway_problems_total",
    "Errors answered to callers. `reason` is a key of the failure table, such as `token_expired`, and `fault` the "
    "party at fault: caller, platform or provider.",
    ["reason", "fault"],
)
IN_FLIGHT = Gauge(
    "bouquet_gateway_requests_in_flight",
    "HTTP requests that the process is answering, without health probes and `/metrics`.",
)
MAX_IN_FLIGHT = Gauge("bouquet_gateway_max_requests", "Limit on the HTTP requests that one process answers at a time.")
MAX_CALLS_IN_FLIGHT = Gauge(
    "bouquet_gateway_max_calls_per_provider", "Limit on the calls that one process has in flight to one provider."
)
CALLS_IN_FLIGHT = Gauge(
    "bouquet_gateway_calls_in_flight",
    "Calls to a provider that have not ended, including those whose caller does not wait any more.",
    ["provider"],
)
REFUSED = Counter(
    "bouquet_gateway_refused_total",
    "Refusals for lack of capacity. `reason` is `overloaded` for an HTTP request, `provider_busy` for a call to a "
    "provider.",
    ["reason", "provider"],
)
OPERATIONS = Gauge(
    "bouquet_gateway_provider_operations",
    "Number of operations that a provider offers to the gateway; 0 until a worker has sent an offer.",
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
    "Health of a resource (group of operations), as at `/api/{resource}/ping`: 1 for its current state, 0 for the "
    "others. States are ok, bad_gateway, unknown and maintenance. Each process judges by its own calls.",
    ["resource", "state"],
)
SAFEGUARD_OFF = Gauge(
    "bouquet_gateway_safeguard_off",
    "1 if the value of `setting` (JOURNAL, TOKENS_FROM, SANDBOX or EXEMPT_TOKENS) turns off a protection of data about "
    "real people, else 0.",
    ["setting"],
)
STORE_UP = Gauge(
    "bouquet_gateway_store_up", "1 if redis answers, else 0. The gateway also works without redis.", ["store"]
)
PROVIDERS_FILE_REFUSED = Gauge(
    "bouquet_gateway_providers_file_refused",
    "1 while the file named by BOUQUET_GATEWAY_PROVIDERS_FILE cannot be used, else 0. Meanwhile, the providers last "
    "read from the file stay in use.",
)
OFFERS_REFUSED = Counter(
    "bouquet_gateway_offers_refused_total",
    "Refusals of workers' offers (descriptions of operations) or of their parts, by `reason`. Repeats of an unchanged "
    "offer are not counted.",
    ["provider", "reason"],
)
OFFER_REFUSALS = Gauge(
    "bouquet_gateway_offer_refusals",
    "Parts of a provider's offer (operations, documents, fields) that the gateway refuses now; 0 if it serves the "
    "whole offer.",
    ["provider"],
)
REPLIES_RESHAPED = Counter(
    "bouquet_gateway_replies_reshaped_total",
    "Workers' replies whose data does not match the operation's schema. `result` is `trimmed` if it was enough to "
    "remove undeclared fields, and `refused` if the caller got an error.",
    ["provider", "result"],
)
REPLIES_REFUSED = Counter(
    "bouquet_gateway_replies_refused_total",
    "Workers' replies refused because they exceed a limit. `excess` is `too large`, `too many elements`, `too deep`, "
    "or, for a wrong key or value in `meta`, `meta not allowed`.",
    ["provider", "excess"],
)
UNKNOWN_BEARERS = Counter(
    "bouquet_gateway_unknown_bearers_total",
    "Refusals of unknown bearer tokens. `result` is `refused`, `slowed` if the IP address has sent too many unknown "
    "tokens, or `too_many` for a new FranceConnect session above the limit per second.",
    ["result"],
)
for _result in ("refused", "slowed", "too_many"):
    UNKNOWN_BEARERS.labels(_result)
UNKNOWN_RECIPIENTS = Counter(
    "bouquet_gateway_unknown_recipients_total",
    "Calls of software editors refused for their administration, by `result`: `refused` (403) if it delegates "
    "nothing to the editor, `slowed` (429) after too many refusals in a minute.",
    ["result"],
)
for _result in ("refused", "slowed"):
    UNKNOWN_RECIPIENTS.labels(_result)
CACHE_LOOKUPS = Counter(
    "bouquet_gateway_cache_lookups_total",
    "Lookups by result: `hit` or `miss` in the cache, `joined` if the lookup waited for an identical one in flight, "
    "`bypassed` if the answer must not come from the cache.",
    ["result"],
)
REGIME = Counter(
    "bouquet_gateway_regime_decisions_total",
    "Choices between CAF and MSA. `provider` is the provider that found the person, or `none`. `source` says whether "
    "this provider was asked `first` or `second`. `hint` stands for `first` if the provider had found the person the "
    "last time. `both`: neither or both have found the person now.",
    ["provider", "source"],
)
FORMER_CACHE_LOOKUPS = FormerName("bouquet_gateway_cache_total", CACHE_LOOKUPS)
FORMER_REGIME = FormerName("bouquet_gateway_regime_total", REGIME)
REGIME_ANOMALIES = Counter(
    "bouquet_gateway_regime_anomalies_total",
    "Contradictions between the replies of CAF and MSA about one person, by kind (`anomaly`).",
    ["anomaly"],
)

# Cached: looking up the labels costs more than the observation itself.
requests = cache(REQUESTS.labels)
request_seconds = cache(REQUEST_SECONDS.labels)
dossier_parts = cache(DOSSIER_PARTS.labels)
problems = cache(PROBLEMS.labels)
cache_lookups = cache(CACHE_LOOKUPS.labels)
regime = cache(REGIME.labels)

JOURNAL_WRITTEN = Counter(
    "bouquet_gateway_journal_written_total", "Records of the access journal written to this process's spool on disk."
)
JOURNAL_UNRECORDED = Counter(
    "bouquet_gateway_journal_unrecorded_total",
    "Refused calls that the access journal does not record. Their caller is unknown (no valid token, no FranceConnect "
    "session), or their token already has 60 recorded refusals in the same minute.",
)
FORMER_JOURNAL_UNRECORDED = FormerName("bouquet_gateway_journal_strangers_total", JOURNAL_UNRECORDED)
JOURNAL_SENT = Counter(
    "bouquet_gateway_journal_sent_total", "Records of the access journal that were sent, and confirmed by the broker."
)
JOURNAL_SEND_FAILURES = Counter(
    "bouquet_gateway_journal_send_failures_total",
    "Failed attempts to send records of the access journal: the broker did not confirm them.",
)
FORMER_JOURNAL_SEND_FAILURES = FormerName("bouquet_gateway_journal_hold_ups_total", JOURNAL_SEND_FAILURES)
JOURNAL_REFUSED = Counter(
    "bouquet_gateway_journal_refused_total",
    "Calls refused because their record of the access journal could not be written.",
)
JOURNAL_BYTES = Gauge(
    "bouquet_gateway_journal_spool_bytes", "Bytes of journal records on disk that this process has not sent yet."
)
JOURNAL_MAX_BYTES = Gauge(
    "bouquet_gateway_journal_spool_max_bytes", "Limit on the bytes of journal records that this process keeps on disk."
)
JOURNAL_OLDEST_SECONDS = Gauge(
    "bouquet_gateway_journal_oldest_seconds",
    "Age, in seconds, of the oldest journal record on disk that is not sent yet; 0 if there is none.",
)
