"""Outcome, reason and fault of a call on the bus, as the labels of spans and metrics."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.trace import Span, StatusCode
from prometheus_client import Counter

from bouquet_proto.failures import FAILURES
from bouquet_proto.messages import Failed, Found, Lookup, Recorded, Rejected, Reply, Request


def kind_of(request: Request) -> str:
    """`lookup`, or what else one end asks of the other."""
    return str(request.__struct_config__.tag)


def operation_of(request: Request) -> str:
    return request.operation if isinstance(request, Lookup) else kind_of(request)


def outcome_of(reply: Reply) -> tuple[str, str]:
    """Tag and reason of a reply, as labels: `found` has no reason, those of one provider share a word."""
    tag = str(reply.__struct_config__.tag)
    if isinstance(reply, Found | Recorded):
        return tag, ""
    return tag, reply.reason if reply.reason in FAILURES else "own"


def fault_of(reply: Reply) -> str:
    """`caller`, `platform`, `provider`; nobody's, empty, when the provider has answered. A word of a provider's own
    blames the question where it was rejected."""
    match reply:
        case Failed(reason=reason) | Rejected(reason=reason) if reason in FAILURES:
            return FAILURES[reason].fault
        case Failed():
            return "provider"
        case Rejected():
            return "caller"
        case _:
            return ""


def settle(
    current: Span, reply: Reply, counted: Callable[[str, str, str, str, str], Counter], provider: str, kind: str
) -> None:
    """Says in a span and a counter how a call ended."""
    outcome, reason = outcome_of(reply)
    counted(provider, kind, outcome, reason, fault_of(reply)).inc()
    current.set_attribute("bouquet.outcome", outcome)
    if reason:
        current.set_attribute("bouquet.reason", reason)
    if isinstance(reply, Failed):
        current.set_attribute("error.type", reason)
        current.set_status(StatusCode.ERROR)
