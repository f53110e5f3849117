"""One record of each call, in the spool before the call is answered (docs/adr/0011).

A call whose record cannot be kept is not answered with data: an access that nobody could account for is not given.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from msgspec import structs

from bouquet_gateway import metrics
from bouquet_gateway.call import Call
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.journal.keys import Keys
from bouquet_gateway.journal.sender import sending
from bouquet_gateway.journal.spool import Spool, SpoolFull, open_spool
from bouquet_mesh.observe import spans
from bouquet_mesh.outbox.api import Outbox
from bouquet_mesh.pseudonym import distinct_pseudonyms, pseudonym
from bouquet_proto.access_record import Access, Outcome, encode
from bouquet_proto.identity import Identite

FULL = "journal_full"
UNTOLD: Mapping[str, None] = dict.fromkeys(
    ("sexe_etat_civil", "code_cog_insee_pays_naissance", "code_cog_insee_commune_naissance")
)
"""What pseudonyms of people found are made without: answers seldom tell it."""
TOKEN_REFUSED = frozenset({401, 403, 429})
REFUSALS_PER_MINUTE = 60
"""Records of one token in one process; more are counted alone. None of them holds data."""


class Journal(Protocol):
    @property
    def is_full(self) -> bool: ...

    def begin(self, call: Call) -> None:
        """Says that the call leaves a record. Raises `Problem` where it could not."""

    def end(self, call: Call, status: int) -> None:
        """Writes the record of a call that was begun, if it had a token of ours or a citizen's session: each answer
        that holds data has. The others are counted. Raises `Problem`."""


class NoJournal:
    is_full = False

    def begin(self, call: Call) -> None:
        pass

    def end(self, call: Call, status: int) -> None:
        pass


class Refusals:
    """Counts, by token, the calls of this minute that were refused for their token."""

    def __init__(self) -> None:
        self._minute = 0
        self._of: dict[str, int] = {}

    def allow(self, token_id: str) -> bool:
        """Whether one more is recorded."""
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._of = minute, {}
        self._of[token_id] = count = self._of.get(token_id, 0) + 1
        return count <= REFUSALS_PER_MINUTE


class SpooledJournal:
    def __init__(self, spool: Spool, keys: Keys) -> None:
        self._spool = spool
        self._keys = keys
        self._refusals = Refusals()

    @property
    def is_full(self) -> bool:
        return self._spool.is_full

    def begin(self, call: Call) -> None:
        if self.is_full:
            raise Problem(FULL)
        call.is_recorded = True

    def end(self, call: Call, status: int) -> None:
        if not call.is_recorded:
            return
        # Whoever has no token of ours gets no data, and writes nothing; nor does one token write without end.
        if not call.token_id or (status in TOKEN_REFUSED and not self._refusals.allow(call.token_id)):
            metrics.JOURNAL_STRANGERS.inc()
            return
        try:
            self._spool.append(encode(record_of(call, status, self._keys)))
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


def record_of(call: Call, status: int, keys: Keys) -> Access:
    """Holds nothing that the caller wrote but a valid SIRET; of the person, a pseudonym."""
    elapsed_s = time.perf_counter() - call.began
    began_at = round(time.time() - elapsed_s, 3)
    key = keys.at(began_at)
    outcome = call.outcome or _outcome_of(status)
    people = (*_asked(call), *call.people_found()) if outcome == "found" else ()
    return Access(
        id=secrets.token_hex(16),
        at=began_at,
        outcome=outcome,
        status=status,
        code=call.code,
        operation=call.operation,
        habilitation=call.habilitation,
        token=call.token_id,
        recipient=call.recipient,
        provider=call.provider,
        regime=call.regime,
        cached=call.cached_for_s is not None,
        duration_ms=round(elapsed_s * 1000, 1),
        trace_id=spans.trace_id(),
        person=pseudonym(key.secret, call.person) if call.person else "",
        key=key.name if call.person or people else "",
        found=distinct_pseudonyms(key.secret, people),
        request_id=call.request_id,
    )


def _asked(call: Call) -> tuple[Identite, ...]:
    """Whom an answer is about though it names nobody: providers look at the place of birth, the sex and one of two
    names as they like."""
    match call.person:
        case Identite() as who:
            names = filter(None, (who.nom_naissance, who.nom_usage))
            return tuple(structs.replace(who, nom_naissance=name, **UNTOLD) for name in names)
        case _:
            return ()


def _outcome_of(status: int) -> Outcome:
    """Where no failure was raised: a recorded case of a sandbox may have any status."""
    return "found" if status < 400 else "not_found" if status == 404 else "failed"
