"""Redis as an optional store. Each call ends within a short timeout and never raises an error."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from redis.exceptions import RedisError

from bouquet_gateway import metrics
from bouquet_gateway.stores.redis_client import TIMEOUT_S
from bouquet_mesh.tls.context import tls_error_of

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

PAUSE_S = 1.0
"""Seconds for which a store is not called after one of its calls has failed."""


class OptionalStore:
    """Guard for calls to a store. A failed call returns a fallback value instead of raising an error."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._up = True
        self._gauge = metrics.STORE_UP.labels(store)
        self._gauge.set(1)
        self._asked_again_at = 0.0

    async def attempt(self, fallback: T, work: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns the result of `work`, or `fallback` if the store fails, is too slow, or has failed in the last
        `PAUSE_S` seconds."""
        if time.monotonic() < self._asked_again_at:
            return fallback
        try:
            async with asyncio.timeout(TIMEOUT_S):
                result = await work(*args, **kwargs)
        except (RedisError, OSError, TimeoutError) as error:
            self._mark_unavailable(error)
            return fallback
        self._mark_available()
        return result

    def _mark_unavailable(self, error: Exception) -> None:
        self._asked_again_at = time.monotonic() + PAUSE_S
        if self._up:
            log.warning(
                "store unavailable", extra={"store": self._store, "error": tls_error_of(error) or type(error).__name__}
            )
        self._up = False
        self._gauge.set(0)

    def _mark_available(self) -> None:
        if not self._up:
            log.info("store available again", extra={"store": self._store})
            self._gauge.set(1)
        self._up = True
