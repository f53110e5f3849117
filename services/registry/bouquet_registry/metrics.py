"""The registry's Prometheus metrics."""

from __future__ import annotations

from prometheus_client import Counter

NOTICES = Counter("bouquet_registry_notices_total", "Notices before expiry, by threshold in days.", ["days", "outcome"])
WEBHOOKS = Counter("bouquet_registry_webhooks_total", "Webhooks of DataPass, by what became of them.", ["outcome"])
