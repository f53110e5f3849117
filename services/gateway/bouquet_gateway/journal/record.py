"""Access record: what the access journal stores about one call. The record is written to disk before the answer is sent
(docs/adr/0011); if it cannot be written, the caller gets no data."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from bouquet_gateway import metrics
from bouquet_gateway.call import Call
from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.journal.keys import Keys
from bouquet_gateway.journal.sender import sending
from bouquet_gateway.journal.spool import Spool, SpoolFull, open_spool
from bouquet_mesh.observe import request_context
from bouquet_mesh.outbox.api import Outbox
from bouquet_mesh.pseudonym import NamedPerson, distinct_pseudonyms, first_name, pseudonym
from bouquet_proto.access_record import Access, Outcome, encode
from bouquet_proto.identity import Identite

FULL = "journal_full"
REFUSAL_STATUSES = frozenset({401, 403, 429})
"""HTTP statuses of calls that were refused because of their token, scopes, IP address or rate limit. The journal
records only some of these calls (`REFUSALS_PER_MINUTE`)."""
REFUSALS_PER_MINUTE = 60
"""Largest number of refused calls that the journal records per minute, for each pair of token and habilitation. Further
refusals are only counted in a metric."""
# A software editor's token has this limit for each habilitation that it uses.


class Journal(Protocol):
    """Access journal, as a gateway sees it: each call for data adds a record."""

    @property
    def is_full(self) -> bool: ...

    def begin(self, call: Call) -> None:
        """Marks `call`, so that `end` writes its record. Raises `Problem` if the journal cannot take a record now."""

    def end(self, call: Call, status: int) -> None:
        """Writes the record of a call that `begin` has marked; does nothing for other calls. Raises `Problem` if the
        write fails."""
        # Calls without a valid token or a citizen's session, and refused calls beyond `REFUSALS_PER_MINUTE`, are only
        # counted.


class NoJournal:
    is_full = False

    def begin(self, call: Call) -> None:
        pass

    def end(self, call: Call, status: int) -> None:
        pass


class RefusalLimit:
    """Limit on the journal's records about refused calls: `REFUSALS_PER_MINUTE` for each pair of a token and a
    habilitation."""

    def __init__(self) -> None:
        self._minute = 0
        self._counts: dict[tuple[str, str], int] = {}

    def allow(self, token_id: str, habilitation: str) -> bool:
        """Counts a refused call with this token and habilitation, and returns whether the journal records the call."""
        # An editor's token acts for many habilitations: the refusals of one must not hide those of another.
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._counts = minute, {}
        caller = (token_id, habilitation)
        self._counts[caller] = count = self._counts.get(caller, 0) + 1
        return count <= REFUSALS_PER_MINUTE


class SpooledJournal:
    """Journal that writes its records to a spool, a folder on disk from which they are sent."""

    def __init__(self, spool: Spool, keys: Keys) -> None:
        self._spool = spool
        self._keys = keys
        self._refusals = RefusalLimit()

    @property
    def is_full(self) -> bool:
        return self._spool.is_full

    def begin(self, call: Call) -> None:
        if self.is_full:
            raise Problem(FULL)
        call.is_recorded = True
        call.record_id = _new_id(time.time() - (time.perf_counter() - call.began))

    def end(self, call: Call, status: int) -> None:
        if not call.is_recorded:
            return
        # A caller without a token of ours gets no data and leaves no record; refusals of one token are limited.
        if not call.token_id or (
            status in REFUSAL_STATUSES and not self._refusals.allow(call.token_id, call.habilitation)
        ):
            metrics.JOURNAL_UNRECORDED.inc()
            return
        try:
            self._spool.append(encode(record_of(call, status, self._keys)))
        except SpoolFull:
            metrics.JOURNAL_REFUSED.inc()
            raise Problem(FULL) from None
        metrics.JOURNAL_WRITTEN.inc()


@asynccontextmanager
async def open_journal(folder: Path, max_bytes: int, keys: Keys, outbox: Outbox) -> AsyncIterator[Journal]:
    """Opens the journal, with its spool (records on disk that wait to be sent) in `folder`. The spool of this process
    holds at most `max_bytes` bytes. `keys` make pseudonyms.

    Sends the records to `outbox`, the durable queue to the registry. Raises `OSError` if `folder` cannot be written.
    """
    with open_spool(folder, max_bytes) as spool:
        metrics.JOURNAL_BYTES.set_function(lambda: spool.used_bytes)
        metrics.JOURNAL_MAX_BYTES.set(max_bytes)
        metrics.JOURNAL_OLDEST_SECONDS.set_function(spool.oldest_age_s)
        async with sending(spool, outbox):
            yield SpooledJournal(spool, keys)


def record_of(call: Call, status: int, keys: Keys) -> Access:
    """Returns the access record of a call that was answered with the HTTP status `status`. The record names persons
    only by pseudonyms, made with `keys`."""
    # Of the caller's own input, it contains only a valid SIRET, a request id that is a UUID, and a checked purpose.
    elapsed_s = time.perf_counter() - call.began
    began_at = _time_of(call.record_id)
    key = keys.at(began_at)
    outcome = call.outcome or _outcome_of(status)
    people = (*_people_asked_about(call), *call.people_found()) if outcome == "found" else ()
    return Access(
        id=call.record_id,
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
        cached=call.cache_expires_in_s is not None,
        duration_ms=round(elapsed_s * 1000, 1),
        trace_id=request_context.trace_id.get(),
        person=call.compute_once(pseudonym, key.secret, call.person) if call.person else "",
        key=key.name if call.person or people else "",
        found=call.compute_once(distinct_pseudonyms, key.secret, people),
        request_id=call.request_id,
        purpose=call.purpose,
    )


def _new_id(at: float) -> str:
    """Returns a unique id that begins with the time `at` (seconds since the epoch), as a UUID of version 7 does."""
    # Consecutive records are then neighbours in the index of the registry's database.
    return f"{round(at * 1000):012x}{secrets.token_hex(10)}"


def _time_of(id: str) -> float:
    """Returns the time at which an id was made by `_new_id`, in seconds since the epoch, exact to the millisecond."""
    return int(id[:12], 16) / 1000


def _people_asked_about(call: Call) -> tuple[NamedPerson, ...]:
    """Returns the person about whom the caller asks, by birth name and, if known, also by usage name. Returns an empty
    tuple if the call does not identify the person by civil status."""
    # So the journal can find the same person among those whom answers name, which seldom contain sex and place of
    # birth.
    match call.person:
        case Identite() as person:
            names = filter(None, (person.nom_naissance, person.nom_usage))
            first, born = first_name(person.prenoms), person.date_naissance()
            return tuple(NamedPerson(name, first, born) for name in names)
        case _:
            return ()


def _outcome_of(status: int) -> Outcome:
    """Returns the outcome of a call that raised no `Problem`, from the HTTP status of its answer."""
    # The status need not be 200, since a sandbox answers with test cases of any status.
    return "found" if status < 400 else "not_found" if status == 404 else "failed"
