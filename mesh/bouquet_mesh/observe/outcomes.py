"""Labels that describe how a call over the bus ended, for spans and metrics: outcome, reason of a failure, and party at
fault."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.trace import Span, StatusCode
from prometheus_client import Counter

from bouquet_proto.failures import FAILURES
from bouquet_proto.messages import Failed, Found, Lookup, Recorded, Rejected, Reply, Request


def kind_of(request: Request) -> str:
    """Returns the kind of a request, such as `lookup` (a request for data about a person) or `describe`."""
    return str(request.__struct_config__.tag)


def operation_of(request: Request) -> str:
    """Returns the id of the operation that a lookup calls. For a request that is no lookup, returns its kind, such as
    `describe`."""
    return request.operation if isinstance(request, Lookup) else kind_of(request)


def outcome_of(reply: Reply) -> tuple[str, str]:
    """Returns two labels for a reply: its outcome, such as `found`, and the reason why it has no data, such as
    `provider_busy`. The reason is "" for a reply with data. A reason that is not in the common failure table becomes
    `own`."""
    tag = str(reply.__struct_config__.tag)
    if isinstance(reply, Found | Recorded):
        return tag, ""
    return tag, reply.reason if reply.reason in FAILURES else "own"


def fault_of(reply: Reply) -> str:
    """Returns the party at fault for a failure or rejection: `caller`, `platform` or `provider`. Returns "" for any
    other reply."""
    # For a reason that a provider has defined itself, a rejection is the caller's fault, and a failure the provider's.
    match reply:
        case Failed(reason=reason) | Rejected(reason=reason) if reason in FAILURES:
            return FAILURES[reason].fault
        case Failed():
            return "provider"
        case Rejected():
            return "caller"
        case _:
            return ""


def record_outcome(
    current: Span, reply: Reply, counted: Callable[[str, str, str, str, str], Counter], provider: str, kind: str
) -> None:
    """Counts a reply in a metric, and describes it in attributes of the span `current`. `counted` returns the metric's
    counter for five labels: provider, kind of request, outcome, reason and party at fault."""
    outcome, reason = outcome_of(reply)
    counted(provider, kind, outcome, reason, fault_of(reply)).inc()
    current.set_attribute("bouquet.outcome", outcome)
    if reason:
        current.set_attribute("bouquet.reason", reason)
    if isinstance(reply, Failed):
        current.set_attribute("error.type", reason)
        current.set_status(StatusCode.ERROR)
