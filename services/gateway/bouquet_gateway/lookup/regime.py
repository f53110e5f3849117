"""Choice between the replies of CAF and MSA, two providers of the same data, about a person
(docs/reference/upstreams/regime.md). The caller gets "not found" only if both have answered."""

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
    FamilyData,
    QuotientFamilial,
    Regimes,
)

NOT_ALPHANUMERIC = re.compile(r"[\W_]")


class Outcome(StrEnum):
    """Kind of the reply that CAF or MSA gives about a person."""

    FOUND = auto()
    NO_FILE = auto()
    UNATTACHED = auto()
    UNIDENTIFIED = auto()
    INCOMPLETE = auto()
    REJECTED = auto()
    UNAVAILABLE = auto()
    TIMEOUT = auto()


INCONCLUSIVE = frozenset({Outcome.UNAVAILABLE, Outcome.TIMEOUT})
"""Outcomes that say nothing about the person, since the provider has failed or has not answered in time."""

CONTRADICTS_FOUND = frozenset({Outcome.UNATTACHED, Outcome.UNIDENTIFIED})
"""Outcomes of one provider (CAF or MSA) that cannot be true if the other provider has found the person."""
CONTRADICTORY_PAIR = frozenset({Outcome.NO_FILE, Outcome.UNIDENTIFIED})
"""Outcomes that contradict each other if CAF gives one of them and MSA the other."""


class Anomaly(StrEnum):
    """Contradiction between CAF and MSA, such as a person known to both (`double_rattachement`). Contradictions are
    counted in a metric, but not shown to the caller."""

    NONE = ""
    DOUBLE_RATTACHEMENT = "double_rattachement"
    CONTRADICTION = "contradiction"


class ProviderReply(Struct, frozen=True):
    """Reply of CAF or MSA to a lookup, and the provider's authority (administration), which an error for the caller
    names."""

    provider: str
    authority: Authority
    reply: Reply

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.reply)


class ChoiceCriteria(Struct, frozen=True):
    """Facts about a lookup that decide between the replies of CAF and MSA if both have found the person."""

    person: Identite
    past_month: bool
    data_type: type[FamilyData] = QuotientFamilial
    """Struct to which the data in both replies is decoded, so that the gateway can compare it."""


class ChosenReply(Struct, frozen=True):
    """Reply that the caller of a lookup gets, and the authority (administration) that an error names.

    `provider` is the provider that replied. For lookups at CAF and MSA, `provider` is "" unless the person was found.
    """

    reply: Reply
    authority: Authority
    provider: str = ""
    anomaly: Anomaly = Anomaly.NONE


def outcome_of(reply: Reply) -> Outcome:
    """Returns the kind of a provider's reply. A `NotFound` with an unknown reason counts as `UNAVAILABLE`."""
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
        case _:  # an unknown reason of absence must not become "not found"
            return Outcome.UNAVAILABLE


def choose_reply(
    one: ProviderReply, other: ProviderReply, criteria: ChoiceCriteria, regimes: Regimes, both: Authority
) -> ChosenReply:
    """Chooses between `one` and `other`, the replies of CAF and MSA to the same lookup. `criteria` describes the
    lookup, and `regimes` the preference between the providers. An error that concerns both providers names the
    authority `both`."""
    outcomes = {one.outcome, other.outcome}
    if Outcome.FOUND in outcomes:
        return _found(one, other, criteria, regimes)
    if outcomes & INCONCLUSIVE:
        return _inconclusive(one, other, both)
    if Outcome.INCOMPLETE in outcomes:
        return _reply_with_outcome(one, other, frozenset({Outcome.INCOMPLETE}), both)
    if Outcome.REJECTED in outcomes:  # both providers were asked the same question
        refusing = [answer for answer in (one, other) if answer.outcome is Outcome.REJECTED]
        chosen = min(refusing, key=lambda answer: answer.provider != regimes.asked_first)  # whichever was asked first
        return ChosenReply(chosen.reply, both)
    if outcomes == {Outcome.UNIDENTIFIED}:
        return ChosenReply(one.reply, both)
    anomaly = Anomaly.CONTRADICTION if outcomes == CONTRADICTORY_PAIR else Anomaly.NONE
    return ChosenReply(NotFound(NO_FILE), both, anomaly=anomaly)


def choose_reply_with_hint(
    hint: ProviderReply, other: ProviderReply, criteria: ChoiceCriteria, regimes: Regimes, both: Authority
) -> ChosenReply:
    """Chooses between the replies of CAF and MSA. `hint` is the reply of the provider that found the person the last
    time. The other arguments are those of `choose_reply`.

    Returns a technical failure in `hint`, unless the other provider has found the person.
    """
    # See docs/reference/upstreams/regime.md §8.
    if hint.outcome in INCONCLUSIVE and other.outcome is not Outcome.FOUND:
        return ChosenReply(hint.reply, hint.authority)
    return choose_reply(hint, other, criteria, regimes, both)


def _found(one: ProviderReply, other: ProviderReply, criteria: ChoiceCriteria, regimes: Regimes) -> ChosenReply:
    finders = [answer for answer in (one, other) if answer.outcome is Outcome.FOUND]
    if len(finders) == 2:
        winner = _winner(finders, criteria, regimes)
        return ChosenReply(winner.reply, winner.authority, winner.provider, Anomaly.DOUBLE_RATTACHEMENT)
    [finder] = finders
    contradicting = {one.outcome, other.outcome} & CONTRADICTS_FOUND
    anomaly = Anomaly.CONTRADICTION if contradicting else Anomaly.NONE
    return ChosenReply(finder.reply, finder.authority, finder.provider, anomaly)


def _winner(finders: list[ProviderReply], criteria: ChoiceCriteria, regimes: Regimes) -> ProviderReply:
    """Chooses between `finders`, the replies of CAF and MSA, which have both found the person. `criteria` describes the
    lookup, and `regimes` the preference between the providers."""
    # For a past month, it is the answer of the provider that keeps history. Otherwise it is the only answer that names
    # the person asked about or, if both or neither do, the answer of the provider with the freshest data. The
    # quotient's value and date of computation do not count, since one of the providers invents them
    # (docs/reference/upstreams/regime.md §6).
    by_provider = {answer.provider: answer for answer in finders}
    if criteria.past_month:
        return by_provider[regimes.keeps_past_months]
    naming = [answer for answer in finders if _names_person(answer.reply, criteria)]
    return naming[0] if len(naming) == 1 else by_provider[regimes.updated_in_real_time]


def _inconclusive(one: ProviderReply, other: ProviderReply, both: Authority) -> ChosenReply:
    if not {one.outcome, other.outcome} <= INCONCLUSIVE:
        return _reply_with_outcome(one, other, INCONCLUSIVE, both)
    match one.reply, other.reply:
        case (Failed(reason=mine), Failed(reason=theirs)) if mine == theirs:
            return ChosenReply(one.reply, both)
    timed_out = {one.outcome, other.outcome} == {Outcome.TIMEOUT}
    return ChosenReply(Failed("upstream_timeout" if timed_out else "upstream_unavailable"), both)


def _reply_with_outcome(
    one: ProviderReply, other: ProviderReply, deciding: frozenset[Outcome], both: Authority
) -> ChosenReply:
    """Chooses the reply whose outcome is in `deciding`. If both replies have such an outcome, chooses `one`, and an
    error names the authority `both`."""
    candidates = [answer for answer in (one, other) if answer.outcome in deciding]
    authority = candidates[0].authority if len(candidates) == 1 else both
    return ChosenReply(candidates[0].reply, authority)


def _names_person(reply: Reply, criteria: ChoiceCriteria) -> bool:
    """Returns whether the data in a `Found` reply lists the person whom the lookup asks about (`criteria.person`) as an
    `allocataire` (beneficiary)."""
    assert isinstance(reply, Found)
    try:
        data = msgspec.json.decode(reply.data, type=criteria.data_type)
    except msgspec.DecodeError:
        return False
    person = criteria.person
    return any(
        person.sexe_etat_civil in (None, allocataire.sexe)
        and allocataire.date_naissance == person.date_naissance()
        and fold_name(allocataire.nom_naissance or "") == fold_name(person.nom_naissance)
        for allocataire in data.allocataires
    )


def fold_name(name: str) -> str:
    """Converts a name to upper case, without accents and punctuation, so that two spellings of it can be compared."""
    # The journal's pseudonym drops the spaces too. Here the worse error is to take two persons for one; there, to count
    # one person twice.
    plain = name if name.isascii() else "".join(filterfalse(unicodedata.combining, unicodedata.normalize("NFKD", name)))
    return " ".join(NOT_ALPHANUMERIC.sub(" ", plain).upper().split())
