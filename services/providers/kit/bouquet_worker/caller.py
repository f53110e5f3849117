"""Id of the caller for whom the current task calls an upstream. It tells a circuit breaker whether timeouts concern one
caller or several. A gateway makes the id, from which nobody can learn who the caller is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("caller", default="")


@contextmanager
def on_behalf_of(caller_id: str) -> Iterator[None]:
    """Until the context ends, keeps `caller_id` as the id of the current task's caller. The id comes from the gateway,
    and does not reveal who the caller is. Circuit breakers count by it how many callers had a timeout."""
    token = _current.set(caller_id)
    try:
        yield
    finally:
        _current.reset(token)


def caller_id() -> str:
    """Returns the id that a gateway has made for the current task's caller; "" outside `on_behalf_of`. Circuit breakers
    count by it how many callers had a timeout."""
    return _current.get()
