"""The caller on whose behalf the current task calls an upstream: set by the worker, read by the circuit breaker.

A worker knows a caller only by its mark, an opaque id that the gateway makes. The mark is the same in all calls of one
caller, and does not tell who the caller is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("caller", default="")


@contextmanager
def on_behalf_of(mark: str) -> Iterator[None]:
    """Sets the mark (opaque id) of the current task's caller until the context ends."""
    token = _current.set(mark)
    try:
        yield
    finally:
        _current.reset(token)


def mark() -> str:
    """Returns the mark (opaque id) of the current task's caller; empty if the gateway sent none."""
    return _current.get()
