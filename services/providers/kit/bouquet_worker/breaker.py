"""Circuit breaker, which spares an upstream that does not answer. After several failures in a row, the breaker opens:
it refuses calls. Later, a few calls go through as probes. If the upstream answers them, the breaker closes."""
# A timeout may be due to the question of one caller, and is then no reason to refuse the others. So timeouts open the
# breaker only if `MIN_CALLERS` different callers have met one. Failed connections open it even if all calls come from
# one caller.

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bouquet_worker import caller, metrics
from bouquet_worker.errors import UpstreamError

log = logging.getLogger(__name__)

# An answered error, 4xx or 500, may be about one person only, and does not count.
COUNTED_REASONS = {"upstream_timeout", "upstream_unavailable", "upstream_unresolved", "upstream_certificate"}
"""Reasons of failures that count towards opening the breaker. All of them mean that the upstream did not answer."""

TIMEOUT = "upstream_timeout"
MAX_PROBES = 3
"""Largest number of simultaneous probes (calls that test whether the upstream answers again)."""
# Also the number of probes that must time out before timeouts can open the breaker again, since one timeout may be due
# to the person asked about.
MIN_CALLERS = 3
"""Number of different callers who must have had a timeout before timeouts open the breaker."""
# The timeouts of one caller may be due to this caller's requests.
ANY_CALLER = ""
"""Id recorded in place of the caller's id for a failure that concerns every caller, such as `upstream_unavailable`."""
# It counts as much as `MIN_CALLERS` different callers.


class Breaker:
    """Circuit breaker of one upstream: it refuses calls after several failures in a row, until the upstream answers
    again.

    Args:
        provider: Provider's name, a label of the breaker's metric.
        name: Upstream's name, a label of the breaker's metric and a field of its logs.
        after: Number of failures in a row that open the breaker. An answer in between starts the count again.
        open_s: Seconds for which an open breaker refuses calls before it lets probes through.
        spread: Largest random addition to `open_s`, as a fraction of `open_s`. Because of it, not all processes probe
            the upstream at the same time.
        clock: Monotonic clock, in seconds.
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
        """Time of `clock`, in seconds, from which the open breaker lets probes through; `None` while the breaker is
        closed."""
        self._probing = 0
        self._timed_out_probes = 0
        self._failed_for: set[str] = set()
        """Ids of callers who have had a timeout since the upstream last answered, at most `MIN_CALLERS`. `ANY_CALLER`
        stands for a failure other than a timeout."""
        self._gauge = metrics.BREAKER_OPEN.labels(provider, name)
        self._gauge.set(0)

    @contextmanager
    def guard(self, *, counts_timeout: bool = True) -> Iterator[None]:
        """Records whether the call inside the context gets an answer. Raises `UpstreamError("breaker_open")` on entry
        if the breaker refuses the call. With `counts_timeout=False`, a timeout is not recorded."""
        # A call with little time left passes `counts_timeout=False`: its timeout says nothing about the upstream.
        probing = self._admit()
        failure: str | None = None  # a cancelled call says nothing of the upstream
        try:
            yield
            failure = ""
        except UpstreamError as error:
            if counts_timeout or error.reason != TIMEOUT:
                failure = error.reason if error.reason in COUNTED_REASONS else ""
            raise
        finally:
            self._probing -= probing
            if failure is not None:
                self._record(failure, probing)

    def check(self) -> None:
        """Raises `UpstreamError("breaker_open")` if the breaker would refuse a call now. Unlike `guard`, records no
        call."""
        if self._probe_at is None:
            return
        if self._clock() < self._probe_at or self._probing + self._timed_out_probes >= MAX_PROBES:
            raise UpstreamError("breaker_open")

    def _admit(self) -> bool:
        """Returns whether a call that is about to start is a probe, and counts the probe. Raises
        `UpstreamError("breaker_open")` if the breaker refuses the call."""
        self.check()
        probing = self._probe_at is not None
        self._probing += probing
        return probing

    def _record(self, failure: str, probing: bool) -> None:
        """Records how a call ended, and opens or closes the breaker. `failure` is the reason why the upstream did not
        answer, or "" if the upstream answered. `probing` tells whether the call was a probe."""
        if self._probe_at is not None and not probing:  # a call under way when the breaker opened changes nothing
            return
        if failure and len(self._failed_for) < MIN_CALLERS:
            self._failed_for.add(caller.caller_id() if failure == TIMEOUT else ANY_CALLER)
        if self._probe_at is not None:
            self._record_probe(failure)
        elif not failure:
            self._failures = 0
            self._failed_for.clear()
        else:
            self._failures += 1
            if self._failures >= self._after and self._concerns_all_callers():
                self._open()

    def _record_probe(self, failure: str) -> None:
        self._timed_out_probes += failure == TIMEOUT
        if not failure:
            self._close()
            log.warning("upstream answers again", extra={"upstream": self._name})
        elif failure != TIMEOUT:
            self._open()
        elif self._timed_out_probes >= MAX_PROBES:
            if self._concerns_all_callers():
                self._open()
            else:
                self._close()
                log.warning("upstream times out for few callers only", extra={"upstream": self._name})

    def _concerns_all_callers(self) -> bool:
        return ANY_CALLER in self._failed_for or len(self._failed_for) >= MIN_CALLERS

    def _open(self) -> None:
        if self._probe_at is None:
            log.warning("upstream stopped answering", extra={"upstream": self._name, "failures": self._failures})
            self._gauge.set(1)
        self._probe_at = self._clock() + self._open_s * random.uniform(1.0, 1.0 + self._spread)
        self._timed_out_probes = 0
        self._failed_for.clear()

    def _close(self) -> None:
        self._probe_at = None
        self._failures = 0
        self._timed_out_probes = 0
        self._failed_for.clear()
        self._gauge.set(0)
