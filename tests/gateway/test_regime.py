"""Tests of the choice between the answers of CAF and MSA, cell by cell of the table in
docs/reference/upstreams/regime.md §4 to §6."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from msgspec import Raw

from bouquet_gateway.lookup.regime import (
    Anomaly,
    ChoiceCriteria,
    ChosenReply,
    Outcome,
    ProviderReply,
    choose_reply,
    choose_reply_with_hint,
    outcome_of,
)
from bouquet_proto.messages import Failed, Found, NotFound, Rejected, Reply
from bouquet_proto.offer import Authority
from bouquet_proto.quotient_familial import (
    CNAF_AND_MSA,
    NO_FILE,
    PERIOD_REFUSED,
    QUOTIENT_MISSING,
    REFUSED,
    REGIMES,
    UNATTACHED,
    UNIDENTIFIED,
    CompositionFamiliale,
    QuotientFamilial,
    composition_familiale,
)
from tests.support.quotient_replies import NOW, WHO, file_of

CNAF = Authority("CNAF", "23")
MSA = Authority("MSA", "10")
PAST = ChoiceCriteria(WHO, past_month=True)


def in_v2(found: Found) -> Found:
    file = msgspec.json.decode(found.data, type=QuotientFamilial)
    return Found(Raw(msgspec.json.encode(composition_familiale(file))))


REPLIES: dict[str, Reply] = {
    "FOUND": file_of("CNAF"),
    "NO_FILE": NotFound(NO_FILE),
    "UNATTACHED": NotFound(UNATTACHED),
    "UNIDENTIFIED": Rejected(UNIDENTIFIED),
    "REJECTED": Rejected(REFUSED),
    "NO_PERIOD": Rejected(PERIOD_REFUSED),
    "UNAVAILABLE": Failed("upstream_unavailable"),
    "TIMEOUT": Failed("upstream_timeout"),
}

REFUSING = {"REJECTED", "NO_PERIOD"}

# Rows are the CNAF's outcomes, columns the MSA's, in the order of REPLIES. A cell is the provider that answers, or the
# prefix and the provider of the failure: `35:msa` is the MSA's refusal in the name of both. `!` marks an anomaly. A
# refused period counts as a rejection.
TABLE = """
             FOUND       NO_FILE     UNATTACHED  UNIDENTIFIED REJECTED    NO_PERIOD   UNAVAILABLE TIMEOUT
FOUND        both        cnaf        cnaf!       cnaf!        cnaf        cnaf        cnaf        cnaf
NO_FILE      msa         35:no_file  35:no_file  35:no_file!  35:msa      35:msa      10:001      10:002
UNATTACHED   msa!        35:no_file  35:no_file  35:no_file   35:msa      35:msa      10:001      10:002
UNIDENTIFIED msa!        35:no_file! 35:no_file  35:nobody    35:msa      35:msa      10:001      10:002
REJECTED     msa         35:cnaf     35:cnaf     35:cnaf      35:cnaf     35:cnaf     10:001      10:002
NO_PERIOD    msa         35:cnaf     35:cnaf     35:cnaf      35:cnaf     35:cnaf     10:001      10:002
UNAVAILABLE  msa         23:001      23:001      23:001       23:001      23:001      35:001      35:001
TIMEOUT      msa         23:002      23:002      23:002       23:002      23:002      35:001      35:002
"""


def cells() -> list[tuple[str, str, str]]:
    _, *rows = TABLE.strip().splitlines()
    columns = list(REPLIES)
    return [
        (row, column, cell)
        for row, *cells_of_row in (line.split() for line in rows)
        for column, cell in zip(columns, cells_of_row, strict=True)
    ]


def summary_of(chosen: ChosenReply) -> str:
    mark = "!" if chosen.anomaly is Anomaly.CONTRADICTION else ""
    match chosen.reply:
        case Found():
            return chosen.provider + mark
        case Rejected(reason=reason) if reason == UNIDENTIFIED:
            return f"{chosen.authority.prefix}:nobody{mark}"
        case Rejected(meta=meta):
            return f"{chosen.authority.prefix}:{meta['provider']}"
        case Failed(reason=reason):
            code = {"upstream_unavailable": "001", "upstream_timeout": "002"}[reason]
            return f"{chosen.authority.prefix}:{code}"
        case NotFound(reason=reason):
            return f"{chosen.authority.prefix}:{reason}{mark}"
        case reply:
            raise AssertionError(reply)


def answer_of(provider: str, name: str) -> ProviderReply:
    reply = REPLIES[name]
    if isinstance(reply, Rejected) and reply.reason != UNIDENTIFIED:
        reply = Rejected(reply.reason, {"provider": provider})
    return ProviderReply(provider, {"cnaf": CNAF, "msa": MSA}[provider], reply)


def chosen_from(cnaf: Reply, msa: Reply, criteria: ChoiceCriteria = NOW) -> ChosenReply:
    return choose_reply(
        ProviderReply("cnaf", CNAF, cnaf), ProviderReply("msa", MSA, msa), criteria, REGIMES, CNAF_AND_MSA
    )


@pytest.mark.parametrize(("cnaf", "msa", "expected"), cells())
def test_every_pair_of_outcomes_has_the_choice_of_the_table(cnaf: str, msa: str, expected: str) -> None:
    chosen = choose_reply(answer_of("cnaf", cnaf), answer_of("msa", msa), NOW, REGIMES, CNAF_AND_MSA)
    if expected == "both":
        assert chosen.anomaly is Anomaly.DOUBLE_RATTACHEMENT
    else:
        assert summary_of(chosen) == expected


@pytest.mark.parametrize(("one", "other"), list(itertools.product(REPLIES, repeat=2)))
def test_an_inconclusive_reply_never_becomes_not_found(one: str, other: str) -> None:
    chosen = choose_reply(answer_of("cnaf", one), answer_of("msa", other), NOW, REGIMES, CNAF_AND_MSA)
    absent = isinstance(chosen.reply, NotFound) or chosen.reply == Rejected(UNIDENTIFIED)
    assert not (absent and {one, other} & {"UNAVAILABLE", "TIMEOUT", *REFUSING})


def test_the_choice_between_regimes_does_not_depend_on_the_order_of_answers() -> None:
    for one, other in itertools.product(REPLIES, repeat=2):
        cnaf, msa = answer_of("cnaf", one), answer_of("msa", other)
        left = choose_reply(cnaf, msa, NOW, REGIMES, CNAF_AND_MSA)
        right = choose_reply(msa, cnaf, NOW, REGIMES, CNAF_AND_MSA)
        assert (left.reply, left.authority, left.provider) == (right.reply, right.authority, right.provider)


def test_a_failure_of_one_provider_keeps_its_reason_and_authority() -> None:
    chosen = chosen_from(NotFound(NO_FILE), Failed("upstream_rate_limited"))
    assert chosen == ChosenReply(Failed("upstream_rate_limited"), MSA)


def test_a_file_without_quotient_beside_an_absence_is_the_error() -> None:
    assert chosen_from(Failed(QUOTIENT_MISSING), NotFound(NO_FILE)) == ChosenReply(Failed(QUOTIENT_MISSING), CNAF)


def test_a_file_with_quotient_has_precedence_over_one_without() -> None:
    assert chosen_from(Failed(QUOTIENT_MISSING), file_of("MSA")).provider == "msa"


def test_a_timeout_has_precedence_over_a_file_without_quotient() -> None:
    chosen = chosen_from(Failed(QUOTIENT_MISSING), Failed("deadline_exceeded"))
    assert chosen == ChosenReply(Failed("deadline_exceeded"), MSA)


def test_an_unknown_reason_of_absence_is_inconclusive() -> None:
    assert outcome_of(NotFound("something_new")) is Outcome.UNAVAILABLE


def test_of_two_files_of_a_past_month_the_provider_with_history_wins() -> None:
    assert chosen_from(file_of("CNAF"), file_of("MSA"), PAST).provider == "cnaf"


def test_of_two_files_the_one_that_names_the_person_wins() -> None:
    assert chosen_from(file_of("CNAF"), file_of("MSA", "KERVELLA")).provider == "cnaf"


@pytest.mark.parametrize("born", [(1986, 2, 19), (1986, 2, None), (1986, None, None), (None, None, None)])
def test_of_two_v2_files_the_one_that_names_the_person_wins(born: tuple[int | None, int | None, int | None]) -> None:
    year, month, day = born
    who = msgspec.structs.replace(WHO, annee_date_naissance=year, mois_date_naissance=month, jour_date_naissance=day)
    files = [
        file_of(fund, name, born=who.date_naissance()) for fund, name in (("CNAF", "QUEMENEUR"), ("MSA", "KERVELLA"))
    ]
    cnaf, msa = map(in_v2, files)
    criteria = ChoiceCriteria(who, past_month=False, data_type=CompositionFamiliale)
    assert chosen_from(cnaf, msa, criteria).provider == "cnaf"


def test_of_two_files_with_the_person_the_real_time_provider_wins() -> None:
    assert chosen_from(file_of("CNAF"), file_of("MSA")).provider == "msa"


def test_a_failure_of_the_hinted_provider_is_the_error_unless_the_other_found() -> None:
    hint, other = (
        ProviderReply("msa", MSA, Failed("upstream_timeout")),
        ProviderReply("cnaf", CNAF, Failed("breaker_open")),
    )
    assert choose_reply_with_hint(hint, other, NOW, REGIMES, CNAF_AND_MSA) == ChosenReply(
        Failed("upstream_timeout"), MSA
    )


def test_a_found_answer_of_the_other_provider_overrides_a_wrong_hint() -> None:
    hint, other = ProviderReply("msa", MSA, NotFound(NO_FILE)), ProviderReply("cnaf", CNAF, file_of("CNAF"))
    assert choose_reply_with_hint(hint, other, NOW, REGIMES, CNAF_AND_MSA).provider == "cnaf"
