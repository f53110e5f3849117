"""Interface of the bus, by which gateways send requests to workers and get replies. A call always ends by its deadline,
and never raises an exception: each failure is returned as a `Failed`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias, TypeVar

import msgspec

from bouquet_mesh.observe import logs, metrics, outcomes, spans
from bouquet_proto.deadline import CLOCK_TOLERANCE_S, Deadline
from bouquet_proto.messages import Changes, Describe, Failed, Reply, Request, decode_reply, decode_request, encode

log = logging.getLogger(__name__)

MALFORMED_REPLY = "malformed_reply"
"""Reason in the `Failed` that a caller gets when a provider's reply cannot be decoded."""

T = TypeVar("T")

Handler: TypeAlias = Callable[[Request], Awaitable[Reply]]
"""Function by which a worker answers one request."""
SendAndWait: TypeAlias = Callable[[str, bytes, Deadline], Awaitable[bytes | Failed]]
"""Function that makes one call over RabbitMQ or in memory. It sends an encoded request to a provider and returns, by
the deadline, the encoded reply or a `Failed`."""
PendingReply: TypeAlias = "asyncio.Future[bytes | Failed]"
"""Future that receives the result of a call: the encoded reply, or the failure."""


class RequestConsumer(Protocol):
    """Consumer of a provider's requests, as yielded by `Bus.serve`."""

    @property
    def consuming(self) -> bool:
        """Whether requests to the provider currently reach this process."""


class BusClient(Protocol):
    """Calling side of the bus, by which a gateway sends requests to workers and gets their replies."""

    @property
    def ready(self) -> bool:
        """Whether calls can be made now."""

    async def call(self, provider: str, request: Request) -> Reply:
        """Sends a request to a provider and returns its reply, or a `Failed`, by `request.deadline`. If there is no
        reply, the `Failed` has the reason `not_deployed`, `bus_unavailable`, `provider_busy` or `deadline_exceeded`."""
        # `not_deployed` if no worker serves the provider, at once unless one has just answered; `bus_unavailable` at
        # once if the broker is away or is lost meanwhile; `provider_busy` if the provider's queue stays full; and
        # `deadline_exceeded` at the deadline.


class Bus(BusClient, Protocol):
    """Bus between gateways and workers: a gateway calls providers over it, and a worker serves a provider."""

    def serve(
        self, provider: str, handler: Handler, *, concurrency: int, drain_s: float = 10.0
    ) -> AbstractAsyncContextManager[RequestConsumer]:
        """Answers a provider's requests with `handler`, at most `concurrency` at a time, while the context is open. The
        end of the context waits up to `drain_s` seconds for running handlers, then cancels them."""


async def ask(send_and_wait: SendAndWait, system: str, provider: str, request: Request) -> Reply:
    """Encodes a request, sends it with `send_and_wait` and returns the decoded reply. Records the call in metrics and
    in a span, in which `system` names the transport."""
    began = time.perf_counter()
    with spans.send_span(system, provider) as span:
        stamped = msgspec.structs.replace(request, traceparent=spans.traceparent(span))
        body = await send_and_wait(provider, encode(stamped), Deadline(request.deadline))
        reply = body if isinstance(body, Failed) else _decode_reply(provider, body)
        kind = outcomes.kind_of(request)
        outcomes.record_outcome(span, reply, metrics.calls, provider, kind)
        metrics.call_seconds(provider, kind).observe(time.perf_counter() - began, spans.exemplar(span))
        return reply


def _decode_reply(provider: str, body: bytes) -> Reply:
    reply = decode_reply(body)
    if isinstance(reply, Failed) and reply.reason == MALFORMED_REPLY:
        log.error("malformed reply", extra={"provider": provider, "size_bytes": len(body)})
    return reply


def resolve(reply: PendingReply, outcome: bytes | Failed) -> None:
    """Sets the result of a call in the future `reply`, on which the caller waits. Does nothing if the call has a result
    already."""
    if not reply.done():
        reply.set_result(outcome)


async def answer(
    handler: Handler, system: str, provider: str, body: bytes, arrived_at: float, left_at_send_s: float = 0.0
) -> bytes:
    """Decodes a request, calls the handler, and returns the encoded reply. Never raises: a failure becomes a `Failed`
    reply.

    `system` names the bus's transport in the request's span. `arrived_at` is the time of the request's arrival, in
    seconds since the epoch. `left_at_send_s` is the number of seconds that were left until the deadline when the
    request was sent, or 0 if unknown.
    """
    try:
        request = decode_request(body)
    except msgspec.DecodeError:
        log.error("malformed request", extra={"provider": provider, "size_bytes": len(body)})
        metrics.handled(provider, "unreadable", "failed", "malformed_request", "platform").inc()
        return encode(Failed("malformed_request"))
    deadline = _deadline_by_local_clock(request.deadline, arrived_at, left_at_send_s)
    left_s = deadline.left_s()
    _observe_times(provider, left_s, sent_at=request.deadline - left_at_send_s if left_at_send_s else 0.0)
    if deadline.at != request.deadline:
        request = msgspec.structs.replace(request, deadline=deadline.at)
    with spans.process_span(system, provider, request) as span:
        reply, encoded = await _handle(handler, provider, request, left_s)
        outcomes.record_outcome(span, reply, metrics.handled, provider, outcomes.kind_of(request))
        outcome, reason = outcomes.outcome_of(reply)
        operation = outcomes.operation_of(request)
        level = logging.DEBUG if isinstance(request, Describe | Changes) else logging.INFO
        facts = {"provider": provider, "operation": operation, "outcome": outcome, "reason": reason}
        log.log(level, "request handled", extra=facts)
        return encoded


def _deadline_by_local_clock(sent_deadline: float, arrived_at: float, left_at_send_s: float) -> Deadline:
    """Returns a request's deadline by this host's clock (docs/adr/0014). Returns `sent_deadline` if the hosts' clocks
    seem to agree, or if `left_at_send_s` is 0 (unknown). Otherwise returns `arrived_at` plus `left_at_send_s`."""
    # The broker drops expired messages, so a request that arrives had time left: at most `left_at_send_s`.
    latest = arrived_at + left_at_send_s
    return Deadline(sent_deadline if not left_at_send_s or 0 <= latest - sent_deadline <= CLOCK_TOLERANCE_S else latest)


def _observe_times(provider: str, left_s: float, *, sent_at: float) -> None:
    """Records two times of a request in metrics: the seconds left until its deadline and, if `sent_at` is not 0, the
    seconds since it was sent."""
    metrics.deadline_left_seconds(provider).observe(left_s)
    if sent_at:
        metrics.queue_seconds(provider).observe(max(0.0, time.time() - sent_at))


async def _handle(handler: Handler, provider: str, request: Request, left_s: float) -> tuple[Reply, bytes]:
    """Runs the handler for at most `left_s` seconds. Returns the reply, and the same reply encoded. The reply is
    `Failed("deadline_exceeded")` if time runs out, and `Failed("worker_bug")` if the handler raises an exception."""
    if not left_s:
        return _failed("deadline_exceeded")
    try:
        async with asyncio.timeout(left_s) as limit:
            reply = await handler(request)
        if not isinstance(reply, Reply):
            raise TypeError
        return reply, encode(reply)
    except Exception as error:
        if limit.expired():
            return _failed("deadline_exceeded")
        # The type only: an exception's text may quote the person.
        log.error(
            "worker bug",
            extra={"provider": provider, "error": type(error).__name__, "at": logs.raised_at(error)},
        )
        return _failed("worker_bug")


def _failed(reason: str) -> tuple[Reply, bytes]:
    failed = Failed(reason)
    return failed, encode(failed)
