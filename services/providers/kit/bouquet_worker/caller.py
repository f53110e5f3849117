"""Mark of the caller for whom the current task calls an upstream. A mark is an opaque id that tells callers apart
without naming them; the gateway makes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("caller", default="")


@contextmanager
def on_behalf_of(mark: str) -> Iterator[None]:
    """Sets the mark of the current task's caller within the context: an opaque id, made by the gateway, that tells
    callers apart."""
    token = _current.set(mark)
    try:
        yield
    finally:
        _current.reset(token)


def mark() -> str:
    """Returns the mark (opaque id) of the current task's caller, or "" outside `on_behalf_of`."""
    return _current.get()
