"""Values that a background thread fetches anew at regular intervals. If a fetch fails, the last value remains
available."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Generic, TypeVar

from msgspec import Struct

from bouquet_portal import metrics
from bouquet_portal.documents.client import GatewayError

log = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_S = 3.0
"""Seconds from the start of a failed reading to the next attempt, unless the usual interval is shorter."""


class Reading(Struct, Generic[T], frozen=True, eq=False):
    """Value that was read from a gateway, and the time of the reading. Two readings are equal only if they are the same
    object."""

    # Caches can therefore use them as keys.

    value: T
    at: datetime
    is_current: bool
    """Whether the last attempt to read the value has succeeded. If not, `value` may be out of date."""


class RefreshedValue(Generic[T]):
    """Value that a background thread fetches anew at regular intervals. If a fetch fails, the last value remains
    available."""

    def __init__(
        self,
        name: str,
        read: Callable[[], T],
        *,
        every_s: float,
        first_wait_s: float = 3.0,
        restore: Callable[[], tuple[T, datetime] | None] = lambda: None,
    ) -> None:
        """Prepares a thread that calls `read` every `every_s` seconds. `start` starts the thread.

        `restore` returns the last value that an earlier process has read, for use until a reading succeeds. `latest`
        waits up to `first_wait_s` seconds for the first attempt to read a value.
        """
        self.name = name
        self.read = read
        self._restore = restore
        self._every_s = every_s
        self._first_wait_s = first_wait_s
        self._latest: Reading[T] | None = None
        self._restored: Reading[T] | None = None
        self._is_failing = False
        self._tried = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the background thread, unless it runs already."""
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._keep, name=f"read-{self.name}", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stops the background thread once its current reading has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def latest(self) -> Reading[T] | None:
        """Returns the last known value, or None if no value is known yet. Waits up to `first_wait_s` seconds for the
        first attempt to read a value."""
        # Starts the thread if nobody has.
        if self._latest is None:
            self.start()
            self._tried.wait(self._first_wait_s)
        return self._latest or self._restored

    def _keep(self) -> None:
        self._restore_once()
        while not self._stop.is_set():
            begun = time.monotonic()
            wait_s = self._every_s if self._read_once() else min(RETRY_S, self._every_s)
            self._tried.set()
            self._stop.wait(max(0.0, begun + wait_s - time.monotonic()))

    def _restore_once(self) -> None:
        try:
            restored = self._restore()
        except Exception as error:
            log.warning("document not restored", extra={"document": self.name, "error": type(error).__name__})
            return
        if restored is not None:
            self._restored = Reading(*restored, is_current=False)

    def _read_once(self) -> bool:
        """Reads the value once, and returns whether the reading has succeeded. Logs and counts a failure."""
        former = self._latest or self._restored
        try:
            value = self.read()
        # No other exception is expected, but one must not end the thread: the site would grow old unnoticed.
        except Exception as error:
            metrics.READING_FAILURES.labels(self.name).inc()
            if not self._is_failing:
                unexpected = None if isinstance(error, GatewayError) else error
                log.warning("document unavailable", extra={"document": self.name}, exc_info=unexpected)
            self._is_failing = True
            if former is not None:
                self._latest = Reading(former.value, former.at, is_current=False)
            return False
        now = datetime.now(UTC)
        metrics.DOCUMENT_READ.labels(self.name).set(now.timestamp())
        if self._latest is None or self._is_failing:
            log.info("document read", extra={"document": self.name})
        self._is_failing = False
        self._latest = Reading(value, now, is_current=True)
        return True
