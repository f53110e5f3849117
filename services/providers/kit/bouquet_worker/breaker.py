"""A circuit breaker: a fund that does not answer is left alone for a while, and its callers are told at once.

closed ──(`after` failures in a row)──> open ──(`open_s`)──> probes ──> closed by an answer, or open again

Silence may be about what one caller asks, and then it is no reason to refuse the others: it counts once `CALLERS` have
met it. A connection that is refused is about nobody.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bouquet_worker import caller, metrics
from bouquet_worker.errors import UpstreamError

log = logging.getLogger(__name__)

NO_ANSWER = {"upstream_timeout", "upstream_unavailable", "upstream_unresolved", "upstream_certificate"}
"""What counts. An error that is answered, 4xx or 500, may be about one person only."""

SILENCE = "upstream_timeout"
PROBES = 3
"""Silence too may be about one person: so many are asked about at once, and all must meet it for another while of
rest."""
CALLERS = 3
"""Who must have met silence, for it to be the upstream's."""
ANYBODY = ""
"""Of a call of which nobody knows for whom it is: it stands for as many as are needed."""


class Breaker:
    """In a row, not a ratio: a fund with one dead node in four still answers most people.

    It stays open up to `spread` longer, at random: the processes that a fund failed together do not try it together.
    """

    def __init__(
        self,
        provider: str,
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
        self._probing = 0
        self._silences = 0
        self._witnesses: set[str] = set()
        """Callers who met silence, since it began or since the probes did; `ANYBODY` for a failure of another kind."""
        self._gauge = metrics.BREAKER_OPEN.labels(provider, name)
        self._gauge.set(0)

    @contextmanager
    def guard(self, *, patient: bool = True) -> Iterator[None]:
        """Around one call; `breaker_open` instead of it. The timeout of an impatient call blames nobody."""
        probing = self._admit()
        failure: str | None = None  # a cancelled call says nothing of the upstream
        try:
            yield
            failure = ""
        except UpstreamError as error:
            if patient or error.reason != SILENCE:
                failure = error.reason if error.reason in NO_ANSWER else ""
            raise
        finally:
            self._probing -= probing
            if failure is not None:
                self._learn(failure, probing)

    def check(self) -> None:
        """`breaker_open` where a call would not be sent."""
        if self._probe_at is None:
            return
        if self._clock() < self._probe_at or self._probing + self._silences >= PROBES:
            raise UpstreamError("breaker_open")

    def _admit(self) -> bool:
        """Whether this call is a probe."""
        self.check()
        probing = self._probe_at is not None
        self._probing += probing
        return probing

    def _learn(self, failure: str, probing: bool) -> None:
        if self._probe_at is not None and not probing:  # calls that were under way when it opened change nothing
            return
        if failure and len(self._witnesses) < CALLERS:
            self._witnesses.add(caller.mark() if failure == SILENCE else ANYBODY)
        if self._probe_at is not None:
            self._hear(failure)
        elif not failure:
            self._failures = 0
            self._witnesses.clear()
        else:
            self._failures += 1
            if self._failures >= self._after and self._is_everybody_s():
                self._open()

    def _hear(self, failure: str) -> None:
        """Of a probe."""
        self._silences += failure == SILENCE
        if not failure:
            self._close()
            log.warning("upstream answers again", extra={"upstream": self._name})
        elif failure != SILENCE:
            self._open()
        elif self._silences >= PROBES:
            if self._is_everybody_s():
                self._open()
            else:
                self._close()
                log.warning("upstream silent to few callers", extra={"upstream": self._name})

    def _is_everybody_s(self) -> bool:
        return ANYBODY in self._witnesses or len(self._witnesses) >= CALLERS

    def _open(self) -> None:
        if self._probe_at is None:
            log.warning("upstream stopped answering", extra={"upstream": self._name, "failures": self._failures})
            self._gauge.set(1)
        self._probe_at = self._clock() + self._open_s * random.uniform(1.0, 1.0 + self._spread)
        self._silences = 0
        self._witnesses.clear()

    def _close(self) -> None:
        self._probe_at = None
        self._failures = 0
        self._silences = 0
        self._witnesses.clear()
        self._gauge.set(0)
