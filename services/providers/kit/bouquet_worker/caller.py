"""The mark of the caller for whom the current task works, which the worker sets and the circuit breaker reads.

A gateway gives each caller a mark, an opaque text that is the same for all its calls and says nothing else of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("caller", default="")


@contextmanager
def on_behalf_of(mark: str) -> Iterator[None]:
    """Sets the caller's mark for the current task until the context ends."""
    token = _current.set(mark)
    try:
        yield
    finally:
        _current.reset(token)


def mark() -> str:
    """Returns the caller's mark, empty where the gateway gave none."""
    return _current.get()
