"""Limits on workers' replies, checked before the data is decoded: size in bytes, nesting depth, number of members and
items, and keys of `meta`."""

from __future__ import annotations

import logging

from bouquet_gateway import metrics
from bouquet_proto.limits import DEFAULT_LIMITS, ReplyLimits, excess_of
from bouquet_proto.messages import Failed, Reply

log = logging.getLogger(__name__)


def limited(reply: Reply, provider: str, operation: str, limits: ReplyLimits = DEFAULT_LIMITS) -> Reply:
    """Returns the reply unchanged, or the failure `malformed_reply` if it exceeds one of `limits`. The names `provider`
    and `operation` are for the log and the metrics."""
    excess = excess_of(reply, limits)
    if not excess:
        return reply
    log.error("reply beyond its limits", extra={"provider": provider, "operation": operation, "excess": excess})
    metrics.REPLIES_REFUSED.labels(provider, excess).inc()
    return Failed("malformed_reply")
