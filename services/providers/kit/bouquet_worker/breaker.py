"""A circuit breaker: a fund that does not answer is left alone for a while, and its callers are told at once.

closed ──(`after` failures in a row)──> open ──(`open_s`)──> one probe ──> closed, or open again
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bouquet_worker import metrics
from bouquet_worker.trouble import Trouble

log = logging.getLogger(__name__)

NO_ANSWER = {"upstream_timeout", "upstream_unavailable", "upstream_unresolved", "upstream_certificate"}
"""What counts. An error that is answered, 4xx or 500, may be about one person only."""


class Breaker:
    """In a row, not a ratio: a fund with one dead node in four still answers most people.

    It stays open up to `spread` longer, at random: the processes that a fund failed together do not try it together.
    """

    def __init__(
        self,
        name: str,
        *,
        after: int = 10,
        open_s: float = 5.0,
        spread: float = 0.2,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._after = after
        self._open_s = open_s
        self._spread = spread
        self._clock = clock
        self._failures = 0
        self._probe_at: float | None = None
        self._probing = False
        self._gauge = metrics.BREAKER_OPEN.labels(metrics.provider.get(), name)
        self._gauge.set(0)

    @contextmanager
    def guard(self, *, patient: bool = True) -> Iterator[None]:
        """Around one call; `breaker_open` instead of it. The timeout of an impatient call blames nobody."""
        probing = self._admit()
        healthy: bool | None = None  # a cancelled call says nothing of the upstream
        try:
            yield
            healthy = True
        except Trouble as trouble:
            if patient or trouble.reason != "upstream_timeout":
                healthy = trouble.reason not in NO_ANSWER
            raise
        finally:
            if probing:
                self._probing = False
            self._learn(healthy, probing)

    def check(self) -> None:
        """`breaker_open` where a call would not be sent."""
        if self._probe_at is not None and (self._probing or self._clock() < self._probe_at):
            raise Trouble("breaker_open")

    def _admit(self) -> bool:
        """Whether this call is the probe."""
        self.check()
        self._probing = self._probe_at is not None
        return self._probing

    def _learn(self, healthy: bool | None, probing: bool) -> None:
        if healthy is None or (self._probe_at is not None and not probing):
            return  # calls that were under way when it opened change nothing
        self._failures = 0 if healthy else self._failures + 1
        if not healthy and self._failures >= self._after:
            self._open()
        elif healthy and probing:
            self._close()

    def _open(self) -> None:
        if self._probe_at is None:
            log.warning("upstream stopped answering", extra={"upstream": self._name, "failures": self._failures})
            self._gauge.set(1)
        self._probe_at = self._clock() + self._open_s * random.uniform(1.0, 1.0 + self._spread)

    def _close(self) -> None:
        self._probe_at = None
        log.warning("upstream answers again", extra={"upstream": self._name})
        self._gauge.set(0)
