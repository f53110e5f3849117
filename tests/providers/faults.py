"""Faults that simulators play, and the failures that workers report for them."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from bouquet_worker.simulate import Fault

REASONS: Mapping[Fault | HTTPStatus, str] = {
    Fault.INTERNAL: "upstream_unknown",
    Fault.RATE_LIMITED: "upstream_unknown",
    Fault.UNAVAILABLE: "upstream_unavailable",
    Fault.GATEWAY_TIMEOUT: "upstream_timeout",
    Fault.HTML: "upstream_malformed",
    Fault.TRUNCATED: "upstream_malformed",
    Fault.EMPTY: "upstream_malformed",
    Fault.REDIRECT: "upstream_redirected",
    Fault.CUT: "upstream_timeout",
    HTTPStatus.FORBIDDEN: "upstream_unknown",
}
"""Reason of the failure for each fault, for an upstream that documents no meaning of 403, 429 and 500."""
