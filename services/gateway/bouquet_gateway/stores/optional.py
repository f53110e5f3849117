"""Redis as an optional store: calls end within a short timeout, never raise, and log one line for each change."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bouquet_gateway import metrics
from bouquet_gateway.stores.pipelining import PipeliningRedis
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError
from bouquet_mesh.tls.context import tls_error_of, verified_url, warn_if_url_unencrypted
from bouquet_proto.names import GATEWAY_PREFIX

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT_S = 0.5
PAUSE_S = 1.0
"""Seconds for which a failed store is not used again, so that not every call waits for its timeout."""


def open_redis(url: Secret) -> Redis:
    """Returns a redis client, not connected yet, which the caller closes. Raises `SettingsError`."""
    setting = f"{GATEWAY_PREFIX}CACHE_URL"
    checked = verified_url(url, setting)
    warn_if_url_unencrypted(setting, checked)
    try:
        client = PipeliningRedis.from_url(checked, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        # Does not connect: the redis client checks the options of a URL when it builds a connection.
        client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    except (TypeError, ValueError):
        raise SettingsError([f"{setting}: has an option that redis does not take"]) from None
    return client


class OptionalStore:
    """Wrapper around calls to a store that may be unavailable, with a metric and log lines for its state."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._up = True
        self._gauge = metrics.STORE_UP.labels(store)
        self._gauge.set(1)
        self._asked_again_at = 0.0

    async def attempt(self, fallback: T, work: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns the result of `work`, or `fallback` when the store is unavailable."""
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
