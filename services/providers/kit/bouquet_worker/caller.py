"""Id of the caller for whom the current task calls an upstream. The gateway makes an id for each caller that does not
tell who the caller is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("caller", default="")


@contextmanager
def on_behalf_of(mark: str) -> Iterator[None]:
    """Until the context ends, keeps `mark` as the id of the current task's caller. The id comes from the gateway, and
    does not tell who the caller is."""
    token = _current.set(mark)
    try:
        yield
    finally:
        _current.reset(token)


def mark() -> str:
    """Returns the id of the current task's caller, made by the gateway, or "" outside `on_behalf_of`."""
    return _current.get()
