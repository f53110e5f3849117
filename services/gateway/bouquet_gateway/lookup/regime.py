"""Which fund's answer is the right one: the decision as a pure function over every pair of outcomes.

The law is docs/reference/upstreams/regime.md: its vocabulary (docs/reference/contract.md §3), its table (§4), what must
never happen (§5), and who wins when both funds know the person (docs/reference/upstreams/regime.md §6). Above all: a
silent fund never becomes "not found".
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum, auto
from itertools import filterfalse

import msgspec
from msgspec import Struct

from bouquet_proto.failures import FAILURES, Kind
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, Found, NotFound, Rejected, Reply
from bouquet_proto.offer import Authority
from bouquet_proto.quotient_familial import (
    NO_FILE,
    QUOTIENT_MISSING,
    UNATTACHED,
    UNIDENTIFIED,
    File,
    QuotientFamilial,
    Regimes,
)

NOT_ALPHANUMERIC = re.compile(r"[\W_]")


class Outcome(StrEnum):
    FOUND = auto()
    NO_FILE = auto()
    UNATTACHED = auto()
    UNIDENTIFIED = auto()
    INCOMPLETE = auto()
    REJECTED = auto()
    UNAVAILABLE = auto()
    TIMEOUT = auto()


INCONCLUSIVE = frozenset({Outcome.UNAVAILABLE, Outcome.TIMEOUT})
"""Nothing is known of this fund. `REJECTED` is not conclusive either, but says what the caller can mend."""

STRANGE_BESIDE_FOUND = frozenset({Outcome.UNATTACHED, Outcome.UNIDENTIFIED})
STRANGE_PAIR = frozenset({Outcome.NO_FILE, Outcome.UNIDENTIFIED})


class Anomaly(StrEnum):
    """What the two answers should not say together; counted and alertable, never told to the caller."""

    NONE = ""
    DOUBLE_RATTACHEMENT = "double_rattachement"
    CONTRADICTION = "contradiction"


class Side(Struct, frozen=True):
    """One fund's answer."""

    provider: str
    authority: Authority
    reply: Reply

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.reply)


class Question(Struct, frozen=True):
    """What the rule for two found files looks at."""

    who: Identite
    past_month: bool
    file: type[File] = QuotientFamilial
    """What a fund that knows the person answers."""


class Decision(Struct, frozen=True):
    """`provider` is the fund that answered, empty unless one found. `authority` speaks in an error."""

    reply: Reply
    authority: Authority
    provider: str = ""
    anomaly: Anomaly = Anomaly.NONE


def outcome_of(reply: Reply) -> Outcome:
    match reply:
        case Found():
            return Outcome.FOUND
        case NotFound(reason=reason) if reason == NO_FILE:
            return Outcome.NO_FILE
        case NotFound(reason=reason) if reason == UNATTACHED:
            return Outcome.UNATTACHED
        case Rejected(reason=reason) if reason == UNIDENTIFIED:
            return Outcome.UNIDENTIFIED
        case Rejected():
            return Outcome.REJECTED
        case Failed(reason=reason) if reason == QUOTIENT_MISSING:
            return Outcome.INCOMPLETE
        case Failed(reason=reason) if reason in FAILURES and FAILURES[reason].kind is Kind.TIMEOUT:
            return Outcome.TIMEOUT
        case _:  # an absence whose word we do not know is not an absence that we may tell
            return Outcome.UNAVAILABLE


def decide(one: Side, other: Side, question: Question, regimes: Regimes, both: Authority) -> Decision:
    """The cell of the table for two answers, in either order. `both` speaks when neither fund does alone."""
    outcomes = {one.outcome, other.outcome}
    if Outcome.FOUND in outcomes:
        return _found(one, other, question, regimes)
    if outcomes & INCONCLUSIVE:
        return _inconclusive(one, other, both)
    if Outcome.INCOMPLETE in outcomes:
        return _of_either(one, other, frozenset({Outcome.INCOMPLETE}), both)
    if Outcome.REJECTED in outcomes:  # about the question, which was the same to both
        refusing = [side for side in (one, other) if side.outcome is Outcome.REJECTED]
        told = min(refusing, key=lambda side: side.provider != regimes.first)  # whichever was asked first
        return Decision(told.reply, both)
    if outcomes == {Outcome.UNIDENTIFIED}:
        return Decision(one.reply, both)
    anomaly = Anomaly.CONTRADICTION if outcomes == STRANGE_PAIR else Anomaly.NONE
    return Decision(NotFound(NO_FILE), both, anomaly=anomaly)


def hinted(hint: Side, other: Side, question: Question, regimes: Regimes, both: Authority) -> Decision:
    """The decision when `hint` was expected to know the person (docs/reference/upstreams/regime.md §8): its trouble is
    told unless the other found."""
    if hint.outcome in INCONCLUSIVE and other.outcome is not Outcome.FOUND:
        return Decision(hint.reply, hint.authority)
    return decide(hint, other, question, regimes, both)


def _found(one: Side, other: Side, question: Question, regimes: Regimes) -> Decision:
    finders = [side for side in (one, other) if side.outcome is Outcome.FOUND]
    if len(finders) == 2:
        winner = _winner(finders, question, regimes)
        return Decision(winner.reply, winner.authority, winner.provider, Anomaly.DOUBLE_RATTACHEMENT)
    [finder] = finders
    strange = {one.outcome, other.outcome} & STRANGE_BESIDE_FOUND
    anomaly = Anomaly.CONTRADICTION if strange else Anomaly.NONE
    return Decision(finder.reply, finder.authority, finder.provider, anomaly)


def _winner(finders: list[Side], question: Question, regimes: Regimes) -> Side:
    """Never by the value of the quotient nor by the date of its computation, which one fund makes up
    (docs/reference/upstreams/regime.md §6)."""
    by_provider = {side.provider: side for side in finders}
    if question.past_month:
        return by_provider[regimes.keeps_history]
    naming = [side for side in finders if _lists(side.reply, question)]
    return naming[0] if len(naming) == 1 else by_provider[regimes.freshest]


def _inconclusive(one: Side, other: Side, both: Authority) -> Decision:
    if not {one.outcome, other.outcome} <= INCONCLUSIVE:
        return _of_either(one, other, INCONCLUSIVE, both)
    match one.reply, other.reply:
        case (Failed(reason=mine), Failed(reason=theirs)) if mine == theirs:
            return Decision(one.reply, both)
    timed_out = {one.outcome, other.outcome} == {Outcome.TIMEOUT}
    return Decision(Failed("upstream_timeout" if timed_out else "upstream_unavailable"), both)


def _of_either(one: Side, other: Side, telling: frozenset[Outcome], both: Authority) -> Decision:
    """The side that has something to tell, in its own name; both in the common name when both have."""
    tellers = [side for side in (one, other) if side.outcome in telling]
    authority = tellers[0].authority if len(tellers) == 1 else both
    return Decision(tellers[0].reply, authority)


def _lists(reply: Reply, question: Question) -> bool:
    """Whether the file names the person among its allocataires, by name, birth date and sex where it is known. One that
    cannot be read names nobody."""
    assert isinstance(reply, Found)
    try:
        file = msgspec.json.decode(reply.data, type=question.file)
    except msgspec.DecodeError:
        return False
    who = question.who
    return any(
        who.sexe_etat_civil in (None, person.sexe)
        and person.date_naissance == who.date_naissance()
        and folded(person.nom_naissance or "") == folded(who.nom_naissance)
        for person in file.allocataires
    )


def folded(name: str) -> str:
    """Upper case, no accents, punctuation as spaces.

    The journal's pseudonym drops the spaces too: there one person counted as two is the dearer error, here two persons
    taken for one.
    """
    plain = "".join(filterfalse(unicodedata.combining, unicodedata.normalize("NFKD", name)))
    return " ".join(NOT_ALPHANUMERIC.sub(" ", plain).upper().split())
