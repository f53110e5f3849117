"""One record of each call, in the spool before the call is answered (docs/adr/0011).

A call whose record cannot be kept is not answered with data: an access that nobody could account for is not given.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from bouquet_gateway import metrics
from bouquet_gateway.call import Journey
from bouquet_gateway.errors.problems import Problem, code_of, row_of
from bouquet_gateway.journal.keys import Keys
from bouquet_gateway.journal.sender import sending
from bouquet_gateway.journal.spool import Spool, SpoolFull, open_spool
from bouquet_mesh.observe import spans
from bouquet_mesh.outbox.api import Outbox
from bouquet_mesh.pseudonym import pseudonym
from bouquet_proto.access_record import Access, Outcome, encode

FULL = "journal_full"


class Journal(Protocol):
    @property
    def is_full(self) -> bool: ...

    def begin(self, journey: Journey) -> None:
        """This call leaves a record. Raises `Problem` where it could not."""

    def end(self, journey: Journey, status: int) -> None:
        """Writes the record of a call that was begun. Raises `Problem`."""


class NoJournal:
    is_full = False

    def begin(self, journey: Journey) -> None:
        pass

    def end(self, journey: Journey, status: int) -> None:
        pass


class SpooledJournal:
    def __init__(self, spool: Spool, keys: Keys) -> None:
        self._spool = spool
        self._keys = keys

    @property
    def is_full(self) -> bool:
        return self._spool.is_full

    def begin(self, journey: Journey) -> None:
        if self.is_full:
            raise Problem(FULL)
        journey.is_recorded = True

    def end(self, journey: Journey, status: int) -> None:
        if not journey.is_recorded:
            return
        try:
            self._spool.append(encode(record_of(journey, status, self._keys)))
        except SpoolFull:
            metrics.JOURNAL_REFUSED.inc()
            raise Problem(FULL) from None
        metrics.JOURNAL_WRITTEN.inc()


@asynccontextmanager
async def open_journal(folder: Path, max_bytes: int, keys: Keys, outbox: Outbox) -> AsyncIterator[Journal]:
    """Raises `OSError` for a folder that cannot be written."""
    with open_spool(folder, max_bytes) as spool:
        metrics.JOURNAL_BYTES.set_function(lambda: spool.used_bytes)
        metrics.JOURNAL_MAX_BYTES.set(max_bytes)
        metrics.JOURNAL_OLDEST_SECONDS.set_function(spool.oldest_age_s)
        async with sending(spool, outbox):
            yield SpooledJournal(spool, keys)


def record_of(journey: Journey, status: int, keys: Keys) -> Access:
    """What the hops learnt. Nothing that the caller wrote but a valid SIRET; of the person, a pseudonym."""
    elapsed_s = time.perf_counter() - journey.began
    began_at = round(time.time() - elapsed_s, 3)
    token, person, key = journey.token, journey.person, keys.at(began_at)
    return Access(
        id=secrets.token_hex(16),
        at=began_at,
        outcome=_outcome(journey, status),
        status=status,
        code=_code(journey),
        operation=journey.operation,
        habilitation=token.habilitation if token else "",
        token=token.id if token else "",
        recipient=journey.recipient,
        provider=journey.provider,
        regime=journey.regime,
        cached=journey.cached_for_s is not None,
        duration_ms=round(elapsed_s * 1000, 1),
        trace_id=spans.trace_id(),
        person=pseudonym(key.secret, person) if person else "",
        key=key.name if person else "",
    )


def _outcome(journey: Journey, status: int) -> Outcome:
    problem = journey.problem
    if problem is None:
        return "found" if status < 400 else "not_found" if status == 404 else "failed"  # a recorded case may be either
    if problem.outcome:
        return problem.outcome
    return "refused" if journey.fault == "caller" else "failed"


def _code(journey: Journey) -> str:
    """Of the first of several errors."""
    problem = journey.problem
    return code_of(row_of(problem.reasons[0], journey.problems), problem.authority) if problem else ""
