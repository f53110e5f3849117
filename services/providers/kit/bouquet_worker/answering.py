"""Calls of a worker's handlers, and conversion of their results to replies on the bus."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import PurePath
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

from bouquet_proto.limits import excess_of
from bouquet_proto.messages import Failed, Found, Lookup, NotFound, Rejected, Reply
from bouquet_worker.errors import UpstreamError
from bouquet_worker.operations import HandledOperation, Question

log = logging.getLogger(__name__)

OnError: TypeAlias = Callable[[UpstreamError], None]


async def answer(
    handled: HandledOperation, lookup: Lookup, upstreams: Sequence[Any], today: date, on_error: OnError
) -> Reply:
    """Calls the handler of an operation and returns its result as a reply. The handler receives the `lookup` with the
    date `today`, then the clients of its `upstreams`. If the handler raises `UpstreamError`, calls `on_error` with the
    error and returns `Failed`."""
    question = Question(
        identity=lookup.identity,
        parameters=lookup.parameters,
        caller=lookup.caller,
        request_id=lookup.id,
        today=today,
    )
    try:
        result = await handled.handler(question, *upstreams)
    except UpstreamError as error:
        on_error(error)
        return Failed(error.reason, retry_in_s=error.retry_in_s)
    match result:
        case NotFound() | Rejected() | Failed():
            return result
        case None:  # else a handler without `return` would find a resource that is null
            at = place_of(handled.handler)
            log.error("handler returned nothing", extra={"operation": handled.operation.id, "at": at})
            return Failed("worker_bug")
        case _:
            return Found(Raw(msgspec.json.encode(handled.view(result))))


def within_limits(reply: Reply, handled: HandledOperation, provider: str) -> Reply:
    """Returns the reply if it is within the operation's limits of length and number of elements. Else logs an error,
    with the provider's name, and returns a failure with the reason `malformed_reply`."""
    # Gateways would refuse it as well. Here the log of the worker's own team says why.
    excess = excess_of(reply, handled.operation.reply)
    if not excess:
        return reply
    facts = {"provider": provider, "operation": handled.operation.id, "excess": excess}
    log.error("reply beyond its limits", extra=facts)
    return Failed("malformed_reply")


def place_of(function: Callable[..., object]) -> str:
    """Returns the place where a function is defined, such as `worker.py:52`, for logs and error messages. For an object
    whose class defines `__call__`, returns the name of the class."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{PurePath(code.co_filename).name}:{code.co_firstlineno}" if code else type(function).__name__
