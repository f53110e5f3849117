"""Tests that the same question about a person gives the same pseudonym, however it is spelt."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bouquet_cnous.upstream import search_for as cnous_search_for
from bouquet_dsnj.upstream import search_for as dsnj_search_for
from bouquet_gip_mds.upstream import query_of as gip_mds_query_of
from bouquet_hub.request import query_of as hub_query_of
from bouquet_hub.request import transliterate
from bouquet_men.upstream import query_of as men_query_of
from bouquet_mesh.pseudonym import NamedPerson, distinct_pseudonyms, first_name, pseudonym
from bouquet_mesh.secret import Secret
from bouquet_mesr.upstream import search_for as mesr_search_for
from bouquet_proto.identity import Identifiant, Identite, Identity, Ine, NumeroAllocataire
from bouquet_proto.letters import LATIN_END, fold, to_ascii
from bouquet_proto.rules.civil_status import NAME

KEY = Secret("a key of pseudonyms")
PERSON = Identite(
    nom_naissance="LE GOUADEC",
    prenoms=("Maëlys", "Inès"),
    annee_date_naissance=1989,
    mois_date_naissance=6,
    jour_date_naissance=14,
    sexe_etat_civil="F",
    code_cog_insee_pays_naissance="99100",
    code_cog_insee_commune_naissance="29019",
)
NO_LETTERS = {"Cn", "Co", "Cs"}
"""Unicode categories without letters: unassigned, private use and surrogates. Tests skip them to save time."""


@cache
def accepted() -> list[str]:
    """Returns all characters that may stand in a name. Takes a second: each process that collects tests would wait
    if the module's import did it."""
    return [
        char
        for char in map(chr, range(sys.maxunicode))
        if unicodedata.category(char) not in NO_LETTERS and NAME.fullmatch(to_ascii(char) or "")
    ]


@cache
def alike() -> dict[str, list[str]]:
    """Returns groups of accepted characters that the hub cannot tell apart, such as `É` and `E`. The key is the text
    that the hub receives for every character of the group."""
    groups: dict[str, list[str]] = {}
    for letter in accepted():
        groups.setdefault(transliterate(letter), []).append(letter)
    return groups


names = st.deferred(lambda: st.text(st.sampled_from(accepted()), min_size=1, max_size=8).filter(str.strip))
"""Hypothesis strategy for names: up to eight accepted characters, not all of them blank."""
people = st.builds(
    Identite,
    nom_naissance=names,
    prenoms=st.lists(names, min_size=1, max_size=3).map(tuple),
    annee_date_naissance=st.sampled_from([None, 1989]),
    mois_date_naissance=st.sampled_from([None, 6]),
    jour_date_naissance=st.sampled_from([None, 14]),
    sexe_etat_civil=st.sampled_from(["M", "F"]),
    code_cog_insee_pays_naissance=st.sampled_from(["99100", "99351"]),
    code_cog_insee_commune_naissance=st.sampled_from([None, "29019", "75056"]),
)


def named(identity: Identity) -> str:
    return pseudonym(KEY, identity)


QUESTIONS: dict[str, Callable[[Identite], object]] = {
    "hub": hub_query_of,
    "mesr": mesr_search_for,
    "cnous": lambda who: cnous_search_for(who, 2026),
    "dsnj": dsnj_search_for,
    "gip_mds": gip_mds_query_of,
    "men": lambda who: men_query_of(who, {"annee_scolaire": "2026"}),
}
"""Functions that make a provider's request from an identity, by kind of provider."""


def test_letters_with_the_same_spelling_for_the_hub_give_one_pseudonym() -> None:
    asked: dict[str, set[str]] = {}
    for letter in accepted():
        who = structs.replace(PERSON, nom_naissance=f"GO{letter}ADEC")
        asked.setdefault(hub_query_of(who)["nomNaissance"].lower(), set()).add(named(who))
    assert {name: len(pseudonyms) for name, pseudonyms in asked.items() if len(pseudonyms) > 1} == {}


def respelt(draw: st.DrawFn, name: str) -> str:
    return "".join(draw(st.sampled_from(alike()[transliterate(letter)])) for letter in name)


@st.composite
def typed_twice(draw: st.DrawFn) -> tuple[Identite, Identite]:
    """Draws an identity, and the same identity spelt in another way. The hub receives the same request for both."""
    one = draw(people)
    first_names = [respelt(draw, name) for name in one.prenoms]
    cut = draw(st.integers(1, len(first_names)))
    fields: dict[str, object] = {
        "nom_naissance": respelt(draw, one.nom_naissance),
        "prenoms": (" ".join(first_names[:cut]), *first_names[cut:]),
    }
    if one.code_cog_insee_pays_naissance == "99351":
        fields["code_cog_insee_commune_naissance"] = draw(st.sampled_from([None, "29019", "75056"]))
    return one, structs.replace(one, **fields)


@given(typed_twice())
def test_identities_with_the_same_request_to_the_hub_have_one_pseudonym(both: tuple[Identite, Identite]) -> None:
    one, other = both
    assert hub_query_of(one) == hub_query_of(other)
    assert named(one) == named(other)


@st.composite
def with_other_first_names_behind(draw: st.DrawFn) -> tuple[Identite, Identite]:
    one = draw(people)
    return one, structs.replace(one, prenoms=(one.prenoms[0], *draw(st.lists(names, max_size=2))))


@pytest.mark.parametrize("provider", ["men", "mesr"])
@given(both=with_other_first_names_behind())
def test_first_names_after_the_first_word_do_not_change_the_pseudonym(
    provider: str, both: tuple[Identite, Identite]
) -> None:
    one, other = both
    assert QUESTIONS[provider](one) == QUESTIONS[provider](other)
    assert named(one) == named(other)


@pytest.mark.parametrize("provider", QUESTIONS)
@given(both=st.one_of(typed_twice(), with_other_first_names_behind()))
def test_identities_with_the_same_request_to_a_provider_have_one_pseudonym(
    provider: str, both: tuple[Identite, Identite]
) -> None:
    one, other = both
    is_same_question = QUESTIONS[provider](one) == QUESTIONS[provider](other)
    assert not is_same_question or named(one) == named(other)


SPELLINGS = {
    "letters of one sound": structs.replace(PERSON, nom_naissance="LE GOUAÐEC"),
    "an o with a stroke": structs.replace(PERSON, nom_naissance="LE GØUADEC"),
    "letters apart": structs.replace(PERSON, nom_naissance="LE\u00a0GOUADEC"),
    "other case": structs.replace(PERSON, nom_naissance="le gouadec"),
    "decomposed": structs.replace(PERSON, prenoms=(unicodedata.normalize("NFD", "Maëlys"), "Inès")),
    "first names in one": structs.replace(PERSON, prenoms=("Maëlys Inès",)),
    "another first name behind": structs.replace(PERSON, prenoms=("Maëlys", "-")),
    "first name alone": structs.replace(PERSON, prenoms=("Maelys",)),
    "a ligature": structs.replace(PERSON, prenoms=("Maëlys", "Lætitia")),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_of_a_name_have_one_pseudonym(spelling: str) -> None:
    assert named(SPELLINGS[spelling]) == named(PERSON)


def test_a_first_name_without_letters_is_not_skipped_in_a_pseudonym() -> None:
    alone, followed = (structs.replace(PERSON, prenoms=prenoms) for prenoms in (("-",), ("-", "Inès")))
    assert mesr_search_for(alone) == mesr_search_for(followed)
    assert named(alone) == named(followed)


def test_a_name_with_a_ligature_and_its_spelling_in_letters_have_one_pseudonym() -> None:
    assert len({named(structs.replace(PERSON, nom_naissance=name)) for name in ("LEBŒUF", "LEBOEUF", "Leboeuf")}) == 1


def test_a_commune_beside_a_foreign_country_does_not_change_the_pseudonym() -> None:
    abroad = structs.replace(PERSON, code_cog_insee_pays_naissance="99351", code_cog_insee_commune_naissance=None)
    for commune in ("75056", "13055"):
        assert named(structs.replace(abroad, code_cog_insee_commune_naissance=commune)) == named(abroad)


@pytest.mark.parametrize(
    "other",
    [
        structs.replace(PERSON, nom_naissance="LE GOADEC"),
        structs.replace(PERSON, prenoms=("Inès", "Maëlys")),
        structs.replace(PERSON, jour_date_naissance=15),
        structs.replace(PERSON, sexe_etat_civil="M"),
        structs.replace(PERSON, code_cog_insee_commune_naissance="29232"),
        structs.replace(PERSON, code_cog_insee_pays_naissance="99351"),
    ],
)
def test_another_person_has_another_pseudonym(other: Identite) -> None:
    assert named(other) != named(PERSON)


def test_punctuation_distinguishes_identifiers_and_case_does_not() -> None:
    one = named(Identifiant(identifiant="maelys.quintrand12"))
    assert named(Identifiant(identifiant="Maelys.Quintrand12 ")) == one
    assert named(Identifiant(identifiant="maelysquintrand12")) != one
    assert named(Ine(ine="050617293hk")) == named(Ine(ine="050617293HK"))
    assert named(NumeroAllocataire(numero_allocataire="1234567", code_postal="75001")) != one


@given(st.text())
def test_a_folded_text_has_ascii_letters_and_digits_and_folds_to_itself(text: str) -> None:
    folded = fold(text)
    assert folded == "" or (folded.isascii() and folded.isalnum() and folded == folded.lower())
    assert fold(folded) == folded


@given(st.text(st.characters(max_codepoint=ord(LATIN_END) - 1)))
def test_latin_letters_fold_the_same_beside_letters_of_another_alphabet(text: str) -> None:
    assert fold(text) == fold(f"{text}Я")


def by_name(identity: Identite) -> NamedPerson:
    return NamedPerson(identity.nom_naissance, first_name(identity.prenoms), identity.date_naissance())


@given(people)
def test_a_person_known_by_name_and_date_has_the_pseudonym_of_an_identity_without_other_traits(who: Identite) -> None:
    traits = ("sexe_etat_civil", "code_cog_insee_pays_naissance", "code_cog_insee_commune_naissance")
    bare = structs.replace(who, **dict.fromkeys(traits))
    assert distinct_pseudonyms(KEY, [by_name(who)]) == (named(bare),)


def test_pseudonyms_of_several_people_are_distinct_and_in_their_order() -> None:
    one, other, same = (
        NamedPerson("LE GOUADEC", "Maëlys", "1989-06-14"),
        NamedPerson("LE GOUADEC", "Zoé", "1989-06-14"),
        NamedPerson("le gouadec", "MAELYS", "1989-06-14"),
    )
    pseudonyms = distinct_pseudonyms(KEY, [one, other, same])
    assert pseudonyms == (*distinct_pseudonyms(KEY, [one]), *distinct_pseudonyms(KEY, [other]))
    assert len(set(pseudonyms)) == 2
