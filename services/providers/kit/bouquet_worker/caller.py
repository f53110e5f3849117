"""Id of the caller for whom the current task calls an upstream. The id does not tell who the caller is."""
# By the id, which gateways make, a circuit breaker counts how many callers had a timeout.

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("caller", default="")


@contextmanager
def on_behalf_of(caller_id: str) -> Iterator[None]:
    """Until the context ends, `caller_id` is the id of the current task's caller, for circuit breakers. The id does not
    tell who the caller is."""
    token = _current.set(caller_id)
    try:
        yield
    finally:
        _current.reset(token)


def caller_id() -> str:
    """Returns the id that a gateway has made for the current task's caller; "" outside `on_behalf_of`."""
    return _current.get()
