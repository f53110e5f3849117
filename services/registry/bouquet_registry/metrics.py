"""The registry's Prometheus metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from bouquet_mesh.observe.metrics import SECONDS

NOTICES = Counter(
    "bouquet_registry_notices_total",
    "Attempts to send a notice (warning before a token expires), by days before expiry and by outcome: `sent` or "
    "`undelivered`.",
    ["days", "outcome"],
)
TOKENS_EXPIRING = Gauge(
    "bouquet_registry_tokens_expiring",
    "Tokens in force that were used in the last 30 days and expire within `within_days` days.",
    ["within_days"],
)
WEBHOOKS = Counter(
    "bouquet_registry_webhooks_total",
    "Webhooks received from DataPass, by outcome: `obeyed` (applied), `known` (applied before), `late` (older than an "
    "applied event), `set_aside` (could not be applied), `unsigned`, `stale` (too old), `test`, or `failed` (database "
    "unavailable).",
    ["outcome"],
)
EVENTS_ASIDE = Gauge(
    "bouquet_registry_events_aside", "Events of DataPass that could not be applied and wait for an operator."
)

HABILITATIONS = Gauge("bouquet_registry_habilitations", "Habilitations, by state.", ["state"])
HABILITATION_INFO = Gauge(
    "bouquet_registry_habilitation_info",
    "Name of the administration that holds a habilitation, in the label `name`; the value is always 1. Only the 500 "
    "habilitations that changed last are exported.",
    ["habilitation", "name"],
)
TOKENS = Gauge(
    "bouquet_registry_tokens",
    "Tokens in force: not expired, not blacklisted, and of a habilitation or editor that is not archived.",
)
ACCESSES = Counter(
    "bouquet_registry_accesses_total",
    "Accesses (calls) written to the journal, by habilitation, operation and outcome. A process counts the first 2,000 "
    "pairs of habilitation and operation separately, and all further pairs together under `other`.",
    ["habilitation", "operation", "outcome"],
)

API_REQUESTS = Counter(
    "bouquet_registry_api_requests_total",
    "Requests to the internal API, by route and outcome: `done`, or the first error code of the answer.",
    ["route", "outcome"],
)
API_REQUEST_SECONDS = Histogram(
    "bouquet_registry_api_request_seconds",
    "Seconds taken to answer a request to the internal API, by route.",
    ["route"],
    buckets=SECONDS,
)
API_ACTS = Counter(
    "bouquet_registry_api_acts_total",
    "Administrative acts, such as issuing a token, done through the internal API. The label `act` is the name of the "
    "route.",
    ["act"],
)
API_ANONYMOUS_ACTS = Counter(
    "bouquet_registry_api_anonymous_acts_total",
    "Administrative acts that the internal API refused because the request gave no usable author or reason.",
)

JOURNAL_RECORDS = Counter(
    "bouquet_registry_journal_records_total",
    "Records received by the journal, by outcome: `written`, `duplicate` (already there), or `aside` (unreadable, kept "
    "apart).",
    ["outcome"],
)
JOURNAL_BATCH_SECONDS = Histogram(
    "bouquet_registry_journal_batch_seconds",
    "Seconds taken to write a batch of records to the journal.",
    buckets=SECONDS,
)
JOURNAL_PRUNED = Counter(
    "bouquet_registry_journal_pruned_total",
    "Journal records removed because they were older than `BOUQUET_REGISTRY_JOURNAL_KEEP_MONTHS`.",
)
JOURNAL_PRUNING_FAILED = Gauge(
    "bouquet_registry_journal_pruning_failed",
    "1 if the last removal of expired journal records failed, else 0. The removal is tried every hour.",
)
JOURNAL_NEWEST = Gauge(
    "bouquet_registry_journal_newest_timestamp_seconds",
    "Time of the newest call in the last batch written, in epoch seconds. The journal's lag is time() minus this time.",
)
