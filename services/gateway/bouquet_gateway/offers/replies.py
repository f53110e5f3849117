"""What is believed of a reply before it is read: its size, how many elements it has, and words of a closed table."""

from __future__ import annotations

import logging

from bouquet_gateway import metrics
from bouquet_proto.limits import DEFAULT_LIMITS, ReplyLimits, excess_of
from bouquet_proto.messages import Failed, Reply

log = logging.getLogger(__name__)


def believed(reply: Reply, provider: str, operation: str, most: ReplyLimits = DEFAULT_LIMITS) -> Reply:
    """The reply, or a failure of the worker that said too much."""
    excess = excess_of(reply, most)
    if not excess:
        return reply
    log.error("reply beyond its limits", extra={"provider": provider, "operation": operation, "excess": excess})
    metrics.REPLIES_REFUSED.labels(provider, excess).inc()
    return Failed("malformed_reply")
