"""Limit on a software editor's calls for unknown recipients: administrations that delegate no habilitation to the
editor."""
# Without the limit, each of these calls would make the gateway ask the registry.

from __future__ import annotations

import math
import time
from collections.abc import Callable

from bouquet_gateway import metrics
from bouquet_gateway.access.rate_limit import MINUTE_S, Limit, RateLimiter
from bouquet_gateway.access.unknown_bearers import ExpiringValues

DELEGATION_REMEMBERED_S = 3600.0
"""Seconds for which the gateway remembers that an administration delegates a habilitation to a software editor.
Meanwhile, the editor's calls for this administration are exempt from the limit on unknown recipients."""
MAX_REMEMBERED_DELEGATIONS = 50_000
"""Largest number of delegations that one process remembers, as pairs of a software editor and an administration."""
GROUP = " unknown recipients"
"""Name under which the rate limiter counts a software editor's calls for unknown recipients. A recipient is unknown if
it delegates nothing to the editor."""


class RecipientThrottle:
    """Rate limiter of a software editor's calls for unknown recipients: administrations that delegate nothing to the
    editor. All tokens of an editor share the limit."""

    # Once an editor has reached it, recipients that were not served lately are refused without a question to the
    # registry until the minute ends. Recipients served lately pass, so that invented ones cannot keep them out.

    def __init__(self, limiter: RateLimiter, per_minute: int, clock: Callable[[], float] = time.time) -> None:
        """Takes `per_minute`, the largest number of calls for unknown recipients that one software editor may make per
        minute. `clock` returns the seconds since the epoch."""
        self._limiter = limiter
        self._limit = Limit(per_minute, MINUTE_S, GROUP)
        self._clock = clock
        self._slowed_until: dict[str, int] = {}
        self._served: ExpiringValues[bool] = ExpiringValues(MAX_REMEMBERED_DELEGATIONS, DELEGATION_REMEMBERED_S)

    def retry_in_s(self, editor: str, siret: str) -> int:
        """Returns the seconds that a software editor must wait before a call for the administration `siret`. Returns 0
        within the limit, and for an administration known to delegate to the editor."""
        wait_s = self._slowed_until.get(editor, 0) - self._clock()
        if wait_s <= 0:
            self._slowed_until.pop(editor, None)
            return 0
        if self._served.get(_key(editor, siret)):
            return 0
        metrics.UNKNOWN_RECIPIENTS.labels("slowed").inc()
        return math.ceil(wait_s)

    def note_served(self, editor: str, siret: str) -> None:
        """Remembers, for an hour, that the administration `siret` delegates a habilitation to a software editor. The
        editor's calls for this administration are then exempt from the limit."""
        self._served.put(_key(editor, siret), True)

    async def count_unknown(self, editor: str) -> int:
        """Counts a software editor's call for an administration that delegates nothing to the editor. Returns the
        seconds that the editor must wait if the call exceeds the editor's limit, else 0."""
        allowance = await self._limiter.count(editor, self._limit)
        if allowance.allowed:
            metrics.UNKNOWN_RECIPIENTS.labels("refused").inc()
            return 0
        self._slowed_until[editor] = allowance.reset_at
        metrics.UNKNOWN_RECIPIENTS.labels("slowed").inc()
        return allowance.retry_after_s


def _key(editor: str, siret: str) -> bytes:
    return f"{editor} {siret}".encode()
