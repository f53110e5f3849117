"""The deadline of the request that this task works for: set by the worker, obeyed by every wait of its upstreams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bouquet_proto.deadline import Deadline

_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)

HOMEWARD_S = 0.25
"""Kept from the deadline, so that a typed failure still reaches the caller in time."""


@contextmanager
def within(deadline: Deadline) -> Iterator[None]:
    token = _current.set(deadline.earlier_by(HOMEWARD_S))
    try:
        yield
    finally:
        _current.reset(token)


def left_s(at_most_s: float) -> float:
    """How long the next wait may last."""
    deadline = _current.get()
    return at_most_s if deadline is None else min(at_most_s, deadline.left_s())
