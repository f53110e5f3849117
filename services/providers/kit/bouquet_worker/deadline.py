"""Deadline of the request that the current task handles. Each call to an upstream ends by this deadline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bouquet_proto.deadline import Deadline

_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)

REPLY_MARGIN_S = 0.25
"""Seconds reserved for the reply: calls to upstreams end this long before the request's deadline."""


@contextmanager
def within(deadline: Deadline) -> Iterator[None]:
    """Until the context ends, calls of the current task to upstreams end `REPLY_MARGIN_S` seconds before `deadline`."""
    token = _current.set(deadline.earlier_by(REPLY_MARGIN_S))
    try:
        yield
    finally:
        _current.reset(token)


def left_s(at_most_s: float) -> float:
    """Returns the seconds left until the current task's deadline, but at most `at_most_s`. Returns 0 after the
    deadline, and `at_most_s` if there is no deadline."""
    deadline = _current.get()
    return at_most_s if deadline is None else min(at_most_s, deadline.left_s())
