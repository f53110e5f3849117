"""The bus is two verbs: `call` and `serve`. What is common to its transports lives here, so both behave alike.

`call` never raises for the mesh's own reasons and always ends by the request's deadline: whatever goes wrong
between a gateway and a worker is a `Failed` value.
"""

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

MALFORMED = "malformed_reply"

T = TypeVar("T")

Handler: TypeAlias = Callable[[Request], Awaitable[Reply]]
Exchange: TypeAlias = Callable[[str, bytes, Deadline], Awaitable[bytes | Failed]]
"""How a transport carries a request's bytes to a provider's worker and brings back the reply's, by the deadline."""
Ending: TypeAlias = "asyncio.Future[bytes | Failed]"
"""How a call ends: with its reply, or with what became of it. Whatever comes first stands."""


class Serving(Protocol):
    """A provider's intake on the bus."""

    @property
    def consuming(self) -> bool:
        """Whether requests reach this process now: a consumer on a broker that responds, not merely a connection."""


class Calling(Protocol):
    """The asking side."""

    @property
    def ready(self) -> bool:
        """Whether a call made now could be carried: a message has just gone to the broker and come back."""

    async def call(self, provider: str, request: Request) -> Reply:
        """Asks a provider. Always answers, by `request.deadline` at the latest.

        `Failed("not_deployed")` at once when nobody serves the provider, `Failed("bus_unavailable")` at once when
        the broker is away or goes away, `Failed("deadline_exceeded")` at the end.
        """


class Bus(Calling, Protocol):
    """Both sides."""

    def serve(
        self, provider: str, handler: Handler, *, concurrency: int, drain_s: float = 10.0
    ) -> AbstractAsyncContextManager[Serving]:
        """Answers a provider's requests, `concurrency` at a time, from the start or as soon as there is a broker.

        Leaving the context stops the intake, lets running handlers finish for at most `drain_s`, then returns.
        """


async def ask(exchange: Exchange, system: str, provider: str, request: Request) -> Reply:
    """One call from the asking side: its span, its metrics, its codecs."""
    began = time.perf_counter()
    with spans.sending(system, provider) as span:
        stamped = msgspec.structs.replace(request, traceparent=spans.traceparent())
        body = await exchange(provider, encode(stamped), Deadline(request.deadline))
        reply = body if isinstance(body, Failed) else _read(provider, body)
        kind = outcomes.kind_of(request)
        outcomes.settle(span, reply, metrics.calls, provider, kind)
        metrics.call_seconds(provider, kind).observe(time.perf_counter() - began, spans.exemplar(span))
        return reply


def _read(provider: str, body: bytes) -> Reply:
    reply = decode_reply(body)
    if isinstance(reply, Failed) and reply.reason == MALFORMED:
        log.error("malformed reply", extra={"provider": provider, "size_bytes": len(body)})
    return reply


def end(reply: Ending, how: bytes | Failed) -> None:
    if not reply.done():
        reply.set_result(how)


async def answer(
    handler: Handler, system: str, provider: str, body: bytes, arrived_at: float, given_s: float = 0.0
) -> bytes:
    """One call from the answering side. Always gives a reply, whatever the request or the handler are worth.

    Expired work is not started: its caller has gone. `arrived_at` is when the request reached this process, in seconds
    since the epoch; `given_s` is what was left of its deadline as it was sent, 0 where that is not known.
    """
    try:
        request = decode_request(body)
    except msgspec.DecodeError:
        log.error("malformed request", extra={"provider": provider, "size_bytes": len(body)})
        metrics.handled(provider, "unreadable", "failed", "malformed_request", "platform").inc()
        return encode(Failed("malformed_request"))
    deadline = _deadline_here(request.deadline, arrived_at, given_s)
    left_s = deadline.left_s()
    _measure(provider, left_s, sent_at=request.deadline - given_s if given_s else 0.0)
    if deadline.at != request.deadline:
        request = msgspec.structs.replace(request, deadline=deadline.at)
    with spans.processing(system, provider, request) as span:
        reply, encoded = await _handle(handler, provider, request, left_s)
        outcomes.settle(span, reply, metrics.handled, provider, outcomes.kind_of(request))
        outcome, reason = outcomes.outcome_of(reply)
        operation = outcomes.operation_of(request)
        level = logging.DEBUG if isinstance(request, Describe | Changes) else logging.INFO
        facts = {"provider": provider, "operation": operation, "outcome": outcome, "reason": reason}
        log.log(level, "request handled", extra=facts)
        return encoded


def _deadline_here(theirs: float, arrived_at: float, given_s: float) -> Deadline:
    """A request's deadline by this host's clock, which may differ from the sender's (docs/adr/0014).

    The broker drops what has expired, so a request that arrives had time left: at most `given_s`. Where that and the
    sender's deadline differ by more than clocks may, either a clock is wrong or the request has waited in its queue.
    """
    latest = arrived_at + given_s
    return Deadline(theirs if not given_s or 0 <= latest - theirs <= CLOCK_TOLERANCE_S else latest)


def _measure(provider: str, left_s: float, *, sent_at: float) -> None:
    """`sent_at` is by the sender's clock, and 0 where it is not known."""
    metrics.deadline_left_seconds(provider).observe(left_s)
    if sent_at:
        metrics.queue_seconds(provider).observe(max(0.0, time.time() - sent_at))


async def _handle(handler: Handler, provider: str, request: Request, left_s: float) -> tuple[Reply, bytes]:
    """The reply and its bytes: an answer that cannot be sent is the handler's bug like any other."""
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
            extra={"provider": provider, "error": type(error).__name__, "at": logs.where(error)},
        )
        return _failed("worker_bug")


def _failed(reason: str) -> tuple[Reply, bytes]:
    failed = Failed(reason)
    return failed, encode(failed)


async def finish(tasks: set[asyncio.Task[T]], limit_s: float) -> None:
    """Waits so long for an intake's handlers, then stops those that are left. Leaves none behind, even cancelled."""
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=limit_s)
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
