"""The caller for whom this task works, as its gateway tells callers apart: set by the worker, read by the breaker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("caller", default="")


@contextmanager
def on_behalf_of(mark: str) -> Iterator[None]:
    token = _current.set(mark)
    try:
        yield
    finally:
        _current.reset(token)


def mark() -> str:
    """Empty where nobody in particular asks, or the gateway does not say who."""
    return _current.get()
