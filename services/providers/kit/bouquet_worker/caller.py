"""Id of the caller for whom the current task calls an upstream. By this id, a circuit breaker counts how many callers
had a timeout. Gateways make the id, and nobody can learn from it who the caller is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("caller", default="")


@contextmanager
def on_behalf_of(caller_id: str) -> Iterator[None]:
    """Until the context ends, `caller_id` is the id of the current task's caller. A gateway has made this id, from
    which nobody can learn who the caller is. By it, circuit breakers count how many callers had a timeout."""
    token = _current.set(caller_id)
    try:
        yield
    finally:
        _current.reset(token)


def caller_id() -> str:
    """Returns the id that a gateway has made for the current task's caller; "" outside `on_behalf_of`. By this id,
    circuit breakers count how many callers had a timeout."""
    return _current.get()
