"""Tests that workers invent no value: all values sent to a provider come from the caller or from FranceConnect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from bouquet_cnous import contract as cnous_contract
from bouquet_cnous.upstream import pivot_of as cnous_pivot
from bouquet_cnous.upstream import search_for as cnous_search
from bouquet_dsnj import contract as dsnj_contract
from bouquet_dsnj.upstream import search_for as dsnj_search
from bouquet_gip_mds import contract as gip_mds_contract
from bouquet_gip_mds.upstream import query_of as gip_mds_query
from bouquet_hub.request import query_of as hub_query
from bouquet_men.contract import V5
from bouquet_men.upstream import query_of as men_query
from bouquet_mesr import contract as mesr_contract
from bouquet_mesr.upstream import search_for as mesr_search
from bouquet_proto import quotient_familial
from bouquet_proto.france_connect_session import Pivot, identity_of, is_usable
from bouquet_proto.identity import Identite
from bouquet_proto.letters import fold
from bouquet_proto.offer import Operation
from bouquet_proto.query import leading_integer, parse_query
from bouquet_proto.rules import RuleViolations, apply_rules, refused_codes

TODAY = date(2026, 11, 29)
DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)|(\d\d)/?(\d\d)/?(\d{4})")
OURS = {"scope", "annee-scolaire", "listeCodeNature", "comparaisonCertifiee"}
"""Names of fields that select the data and say nothing about the person, so that a worker may choose their values."""
SEXES: dict[Any, str] = {"M": "M", "F": "F", "1": "M", "2": "F", 1: "M", 2: "F", "male": "M", "female": "F"}


class Asking(NamedTuple):
    operation: Operation
    sent: Callable[[Identite], Mapping[str, Any]]


def of_struct(made: Callable[[Identite], Any]) -> Callable[[Identite], Mapping[str, Any]]:
    return lambda who: msgspec.to_builtins(made(who))


def dsnj_pivot(who: Identite) -> Mapping[str, Any]:
    """Returns the civil status that is sent to the DSNJ, without a place that is null."""
    [pivot] = dsnj_search(who).identites_pivot
    return {name: value for name, value in msgspec.to_builtins(pivot).items() if value is not None}


TYPED = {
    "hub": Asking(quotient_familial.OPERATION, hub_query),
    "mesr": Asking(mesr_contract.IDENTITE.operation, of_struct(mesr_search)),
    "cnous": Asking(cnous_contract.IDENTITE[-1].operation, of_struct(lambda who: cnous_search(who, None))),
    "dsnj": Asking(dsnj_contract.IDENTITE, dsnj_pivot),
    "gip_mds": Asking(gip_mds_contract.IDENTITE, gip_mds_query),
    "men": Asking(V5.operation, lambda who: men_query(who, {"annee_scolaire": "2026"})),
}
BY_SESSION = {
    "hub": Asking(quotient_familial.BY_FRANCE_CONNECT, hub_query),
    "mesr": Asking(mesr_contract.FRANCE_CONNECT.operation, of_struct(mesr_search)),
    "cnous": Asking(cnous_contract.FRANCE_CONNECT[-1].operation, of_struct(lambda who: cnous_pivot(who, None))),
    "dsnj": Asking(dsnj_contract.FRANCE_CONNECT, dsnj_pivot),
    "gip_mds": Asking(gip_mds_contract.FRANCE_CONNECT, gip_mds_query),
}

names = st.sampled_from(
    [
        "LE GOUADEC",
        "D’ARTAGNAN",
        "L'HAŸ",
        "LEBŒUF",
        "Maëlys",
        "ﬁ",
        "ＡＢ",
        "©",
        "?",
        " ",
        "Лебедев",
        "NGUYỄN",
        "e\u0301",
    ]
) | st.text(max_size=6)
years = st.sampled_from(["1989", "2006", "1960", "89", "14", "05", "1899", "14/06/1989", "0", "", "2999"])
places = st.sampled_from(["29019", "20004", "98511", "2a004", "90900", "Oran", "", " "])
countries = st.sampled_from(["99100", "99352", "92352", "FR", ""])
small = st.sampled_from(["1", "6", "06", "12", "14", "0", "00", "13", ""])
birthdates = st.dates().map(str) | st.sampled_from(
    ["1989-06-14", "1989-06-00", "1989-00-00", "14/06/1989", "14-06-1989", "19890614", "1989", "89-06-14", "0089-06-14"]
)
queries = st.fixed_dictionaries(
    {"nomNaissance": names, "prenoms[]": st.lists(names, max_size=2)},
    optional={
        "nomUsage": names,
        "anneeDateNaissance": years,
        "moisDateNaissance": small,
        "jourDateNaissance": small,
        "sexeEtatCivil": st.sampled_from(["M", "F", "f", "X", ""]),
        "codeCogInseePaysNaissance": countries,
        "codeCogInseeCommuneNaissance": places,
        "nomCommuneNaissance": st.sampled_from(["Paris", "Ajaccio", "Forlì", "", "Saint-Martin"]),
        "codeCogInseeDepartementNaissance": st.sampled_from(["62", "2a", "978", "999", ""]),
        "codeEtablissement": st.just("0511474A"),
        "anneeScolaire": st.just("2026"),
    },
)
pivots = st.builds(
    Pivot,
    gender=st.sampled_from(["male", "female", "unspecified", "Male", "", None]),
    family_name=names | st.none(),
    given_name=names | st.none(),
    given_name_array=st.lists(names, max_size=2).map(tuple) | st.none(),
    birthdate=birthdates | st.none(),
    birthplace=places | st.none(),
    birthcountry=countries | st.none(),
)


def made_up(sent: Mapping[str, Any], told: Iterable[str]) -> list[str]:
    """Returns the names of the fields in `sent` whose values the worker has invented, since they occur in none of the
    texts `told`."""
    texts = list(told)
    everything = fold("".join(texts))
    numbers = {0} | {int(number) for text in texts for number in re.findall(r"\d+", text)}
    wrong = []
    for name, value in sent.items():
        if name in OURS or value == "":
            continue
        if name in ("sexe", "genre", "gender", "civility"):
            heard = SEXES[value] in {{"male": "M", "female": "F"}.get(text, text.upper()) for text in texts}
        elif whole := DATE.fullmatch(str(value)):
            heard = {int(part) for part in whole.groups() if part} <= numbers
            heard &= int(whole[1] or whole[6]) == 0 or int(whole[1] or whole[6]) >= 1900
        else:
            heard = fold(value) in everything and ("?" not in value or any("?" in text for text in texts))
        wrong += [] if heard else [name]
    return wrong


def asked_for(operation: Operation, query: Mapping[str, Any]) -> Identite | None:
    """Applies an operation's rules to a query. Returns the identity of the person in the query, or `None` if the rules
    refuse the query."""
    values = apply_rules(operation.checks, parse_query(urlencode(query, doseq=True)), TODAY)
    if isinstance(values, RuleViolations):
        return None
    return msgspec.convert({name: values[name] for name in Identite.__struct_fields__ if name in values}, Identite)


WHOLE = {
    "nomNaissance": "LE GOUADEC",
    "prenoms[]": ["Maëlys"],
    "anneeDateNaissance": "2005",
    "moisDateNaissance": "6",
    "jourDateNaissance": "14",
    "sexeEtatCivil": "F",
    "codeCogInseePaysNaissance": "99100",
    "codeCogInseeCommuneNaissance": "29019",
    "codeEtablissement": "0511474A",
    "anneeScolaire": "2026",
}
MAELYS = Pivot(
    gender="female",
    family_name="LE GOUADEC",
    given_name_array=("Maëlys",),
    birthdate="1989-06-14",
    birthplace="29019",
    birthcountry="99100",
)


@pytest.mark.parametrize("provider", TYPED)
@given(query=queries)
@example(query=WHOLE)
@example(query=WHOLE | {"anneeDateNaissance": "89"})
@example(query=WHOLE | {"nomUsage": "D’ARTAGNAN ©"})
@example(
    query={name: value for name, value in WHOLE.items() if name != "jourDateNaissance"} | {"anneeDateNaissance": "14"}
)
def test_every_value_sent_was_typed_by_the_caller(provider: str, query: Mapping[str, Any]) -> None:
    worker_client = TYPED[provider]
    if who := asked_for(worker_client.operation, query):
        told = [item for value in query.values() for item in (value if isinstance(value, list) else [value])]
        assert made_up(worker_client.sent(who), told) == []


@pytest.mark.parametrize("provider", BY_SESSION)
@given(pivot=pivots)
@example(pivot=MAELYS)
@example(pivot=structs.replace(MAELYS, birthdate="14/06/1989"))
@example(pivot=structs.replace(MAELYS, gender=None))
@example(pivot=structs.replace(MAELYS, gender="Male"))
@example(pivot=structs.replace(MAELYS, family_name="L’HAŸ ©"))
@example(pivot=structs.replace(MAELYS, birthcountry="99352", birthplace="Oran"))
def test_every_value_sent_comes_from_france_connect(provider: str, pivot: Pivot) -> None:
    worker_client, who = BY_SESSION[provider], identity_of(pivot)
    if not is_usable(who, TODAY) or refused_codes(worker_client.operation.pivot, who, TODAY):
        return
    sent = worker_client.sent(who)
    listed = pivot.given_name_array or ()
    told = [text for text in structs.astuple(pivot) if isinstance(text, str)]
    assert made_up(sent, [*told, *listed]) == []
    if pivot.gender not in ("male", "female"):
        assert not sent.keys() & {"sexe", "genre", "gender", "civility"}
    if pivot.birthcountry != "99100":
        assert not [sent[name] for name in ("codeLieuNaissance", "lieuNaissance", "birthplace") if sent.get(name)]


@pytest.mark.parametrize("provider", TYPED)
def test_the_queries_of_these_tests_are_accepted(provider: str) -> None:
    """Tests that the rules accept the queries of the other tests here. If a query were refused, those tests would send
    nothing and pass without a check."""
    who = asked_for(TYPED[provider].operation, WHOLE)
    assert who is not None
    assert {fold("LE GOUADEC"), str(leading_integer("2005"))} <= {fold(str(value)) for value in structs.astuple(who)}
    if provider in BY_SESSION:
        assert is_usable(identity_of(MAELYS), TODAY)
        assert refused_codes(BY_SESSION[provider].operation.pivot, identity_of(MAELYS), TODAY) == ()
