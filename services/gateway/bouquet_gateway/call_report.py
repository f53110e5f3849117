"""Report of a call once it is answered, in its trace span, a log line and the metrics."""

from __future__ import annotations

import logging
import time

from opentelemetry.trace import Span, StatusCode

from bouquet_gateway import metrics
from bouquet_gateway.call import Call
from bouquet_mesh.observe import spans

log = logging.getLogger(__name__)


def report_call(call: Call, method: str, status: int, span: Span) -> None:
    """Reports an answered call in a log line, in the metrics, and in its trace span. `span` must still be open."""
    if call.route:
        span.update_name(f"{method} {call.route}")
        span.set_attribute("http.route", call.route)
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(StatusCode.ERROR)
    operation = call.operation or "none"
    elapsed_s = time.perf_counter() - call.began
    log.info(
        "request answered",
        extra={
            "operation": operation,
            "status": status,
            "duration_ms": round(elapsed_s * 1000, 1),
            "cached": call.cache_expires_in_s is not None,
        },
    )
    metrics.requests(operation, call.version, status, call.fault).inc()
    metrics.request_seconds(operation).observe(elapsed_s, spans.exemplar(span))
    if call.waited_s:
        metrics.OVERHEAD_SECONDS.observe(elapsed_s - call.waited_s)
