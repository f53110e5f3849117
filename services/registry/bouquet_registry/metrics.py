"""The registry's Prometheus metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from bouquet_mesh.observe.metrics import SECONDS

NOTICES = Counter("bouquet_registry_notices_total", "Notices before expiry, by threshold in days.", ["days", "outcome"])
TOKENS_EXPIRING = Gauge(
    "bouquet_registry_tokens_expiring",
    "Tokens in force, used in the last 30 days, that end within so many days.",
    ["within_days"],
)
WEBHOOKS = Counter("bouquet_registry_webhooks_total", "Webhooks of DataPass, by what became of them.", ["outcome"])

HABILITATIONS = Gauge("bouquet_registry_habilitations", "Habilitations, by state.", ["state"])
HABILITATION_INFO = Gauge(
    "bouquet_registry_habilitation_info",
    "1, for the name of a habilitation's administration: of the 500 that changed last.",
    ["habilitation", "name"],
)
TOKENS = Gauge("bouquet_registry_tokens", "Tokens in force.")
ACCESSES = Counter(
    "bouquet_registry_accesses_total",
    "Accesses that came to the journal, by habilitation and operation: the first 2,000 such pairs of a process, then "
    "`other`.",
    ["habilitation", "operation", "outcome"],
)

JOURNAL_RECORDS = Counter(
    "bouquet_registry_journal_records_total",
    "Records that came to the journal: written, duplicate (it has them already), aside (they are no records).",
    ["outcome"],
)
JOURNAL_BATCH_SECONDS = Histogram(
    "bouquet_registry_journal_batch_seconds", "Time that a batch took to be written.", buckets=SECONDS
)
JOURNAL_NEWEST = Gauge(
    "bouquet_registry_journal_newest_timestamp_seconds",
    "When the newest call of the last batch was made: the journal's lag is time() less this.",
)
