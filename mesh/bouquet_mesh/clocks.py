"""Deadlines travel as wall-clock seconds, and clocks differ: what a worker makes of a gateway's (docs/adr/0002)."""

from __future__ import annotations

import logging
from collections import defaultdict

log = logging.getLogger(__name__)

AGREE_S = 0.5
"""Clocks that differ by less are taken for one."""
STUBBORN_S = 2.0
"""How long requests may all come expired before it is the clock that is doubted."""
MOST_SENDERS = 1000


class Clocks:
    """How far our clock is ahead of each sender's. Agreement is the first guess, and the requests correct it:

    - one that comes before it was sent shows that we are behind;
    - when all have come expired for `STUBBORN_S` we are ahead, since the broker drops what has expired.
    """

    def __init__(self) -> None:
        self._senders: defaultdict[str, _Sender] = defaultdict(_Sender)

    def ours(self, sender: str, deadline: float, given_s: float, now: float) -> float:
        """A deadline of the sender's as our clock has it. `given_s`: what was left when the request was sent.

        Whatever the clocks say, this is never more than `given_s` from now.
        """
        if len(self._senders) > MOST_SENDERS:
            self._senders.clear()
        ahead_s = self._senders[sender].ahead_s(now - (deadline - given_s), given_s, now)
        return deadline + ahead_s if abs(ahead_s) > AGREE_S else deadline


class _Sender:
    def __init__(self) -> None:
        self._ahead_s = 0.0
        self._expired_since: float | None = None

    def ahead_s(self, lag_s: float, given_s: float, now: float) -> float:
        """`lag_s`: on its way, by two clocks. The quickest request comes nearest to the difference between them."""
        if lag_s < self._ahead_s:
            self._learn(lag_s)
        elif self._ahead_s < 0 <= lag_s:
            self._learn(0.0)  # they agree again, or may
        if lag_s - self._ahead_s < given_s:
            self._expired_since = None
        elif self._expired_since is None:
            self._expired_since = now
        elif now - self._expired_since > STUBBORN_S:
            self._expired_since = None
            self._learn(lag_s)
        return self._ahead_s

    def _learn(self, ahead_s: float) -> None:
        if abs(ahead_s - self._ahead_s) > AGREE_S:
            log.warning("clocks differ", extra={"ahead_s": round(ahead_s, 1)})
        self._ahead_s = ahead_s
