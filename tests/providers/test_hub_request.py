"""Tests of queries to the hub (docs/reference/upstreams/shared.md §2, docs/reference/upstreams/hub.md §1-2)."""

from __future__ import annotations

import unicodedata

import msgspec
import pytest
from msgspec.structs import replace

from bouquet_hub.request import headers_of, query_of, transliterate
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Caller
from bouquet_worker import Question
from tests.providers.worker_client import RECIPIENT, REQUEST_ID, TODAY, identite

LETTERS = {
    "'n": "ŉ",
    "A": "ÀÁÂÃÄÅĀĂĄ",
    "a": "àáâãäåāăą",
    "AE": "Æ",
    "ae": "æ",
    "C": "ÇĆĈĊČ",
    "c": "çćĉċč",
    "D": "ÐĎĐ",
    "d": "ðďđ",
    "E": "ÈÉÊËĒĔĖĘĚ",
    "e": "èéêëēĕėęě",
    "G": "ĜĞĠĢ",
    "g": "ĝğġģ",
    "H": "ĤĦ",
    "h": "ĥħ",
    "I": "ÌÍÎÏĨĪĬĮİ",
    "i": "ìíîïĩīĭįı",
    "IJ": "Ĳ",
    "ij": "ĳ",
    "J": "Ĵ",
    "j": "ĵ",
    "K": "Ķ",
    "k": "ķĸ",
    "L": "ĹĻĽĿŁ",
    "l": "ĺļľŀł",
    "N": "ÑŃŅŇ",
    "n": "ñńņň",
    "NG": "Ŋ",
    "ng": "ŋ",
    "O": "ÒÓÔÕÖØŌŎŐǪǬ",
    "o": "òóôõöøōŏőǫǭ",
    "OE": "Œ",
    "oe": "œ",
    "R": "ŔŖŘ",
    "r": "ŕŗř",
    "S": "ŚŜŞŠ",
    "s": "śŝşš",
    "SS": "ẞ",
    "ss": "ß",
    "T": "ŢŤŦ",
    "t": "ţťŧ",
    "Th": "Þ",
    "th": "þ",
    "U": "ÙÚÛÜŨŪŬŮŰŲ",
    "u": "ùúûüũūŭůűų",
    "W": "Ŵ",
    "w": "ŵ",
    "x": "×",
    "Y": "ÝŶŸ",
    "y": "ýÿŷ",
    "Z": "ŹŻŽ",
    "z": "źżž",
}
SENT = [(letter, sent) for sent, letters in LETTERS.items() for letter in letters]

WHO = replace(identite("Quéméneur", "Anaël", "Loïck", born="1986-02-19"), nom_usage="Bœuf")


@pytest.mark.parametrize(("letter", "sent"), SENT)
def test_each_latin_letter_is_sent_in_ascii(letter: str, sent: str) -> None:
    assert transliterate(letter) == sent


def test_the_two_latin_blocks_are_covered_but_for_the_division_sign() -> None:
    assert set(map(chr, range(0xC0, 0x17F))) - {"÷"} <= {letter for letter, _ in SENT}


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("Șerban", "Serban"),
        ("Nguyễn Thị Ngọc", "Nguyen Thi Ngoc"),
        ("ſchön", "schon"),
        ("GEOﬀROY", "GEOffROY"),
        ("ＭＡＲＴＩＮ", "MARTIN"),
        ("D’ARTAGNAN", "D'ARTAGNAN"),
        ("LE\u00a0GOUADEC", "LE GOUADEC"),
    ],
)
def test_no_letter_that_has_a_spelling_in_ascii_becomes_a_question_mark(typed: str, sent: str) -> None:
    assert transliterate(typed) == sent


@pytest.mark.parametrize("char", "÷ΩЖ中€ƒ©˘")
def test_a_letter_without_one_is_never_sent_as_a_sign_that_nobody_typed(char: str) -> None:
    with pytest.raises(ValueError, match="no spelling in ASCII"):
        transliterate(f"LE{char}GOUADEC")


def test_an_ascii_name_is_sent_unchanged() -> None:
    text = "".join(map(chr, range(0x80)))
    assert transliterate(text) == text


def test_case_hyphens_apostrophes_and_spaces_stay() -> None:
    assert transliterate("d'Été-Ñuñez De La Tour") == "d'Ete-Nunez De La Tour"


@pytest.mark.parametrize("letter", "éÇñãÿŠőŢ")
def test_letters_typed_in_two_parts_are_put_together_first(letter: str) -> None:
    assert transliterate(unicodedata.normalize("NFD", letter)) == transliterate(letter)


def test_a_person_is_a_query_string() -> None:
    assert query_of(WHO) == {
        "nomUsage": "Boeuf",
        "nomNaissance": "Quemeneur",
        "listePrenoms": "Anael Loick",
        "dateNaissance": "1986-02-19",
        "codeLieuNaissance": "29019",
        "codePaysNaissance": "99100",
        "genre": "F",
    }


def test_what_is_not_known_is_left_out_but_the_birth_date() -> None:
    who = Identite(nom_naissance="LISA", code_cog_insee_pays_naissance="99127")
    assert query_of(who) == {"nomNaissance": "LISA", "dateNaissance": "0000-00-00", "codePaysNaissance": "99127"}


def test_a_blank_usage_name_is_left_out() -> None:
    assert not [blank for blank in ("", "  ") if "nomUsage" in query_of(replace(WHO, nom_usage=blank))]


def test_a_commune_is_not_sent_for_a_birth_abroad() -> None:
    assert "codeLieuNaissance" not in query_of(replace(WHO, code_cog_insee_pays_naissance="99127"))


def test_the_name_of_a_commune_is_sent_as_typed_wherever_it_is() -> None:
    who = replace(
        WHO,
        code_cog_insee_pays_naissance="99127",
        nom_commune_naissance="Forlì",
        code_cog_insee_departement_naissance="2A",
    )
    query = query_of(who)
    assert (query["villeNaissance"], query["depNaissance"]) == ("Forlì", "2A")


@pytest.mark.parametrize(
    ("known", "sent"),
    [
        ((1983, 7, 4), "1983-07-04"),
        ((1983, 7, None), "1983-07-00"),
        ((1983, None, 4), "1983-00-00"),
        ((None, 7, 4), "0000-00-00"),
    ],
)
def test_unknown_parts_of_a_birth_date_are_zeros(known: tuple[int | None, ...], sent: str) -> None:
    year, month, day = known
    who = replace(WHO, annee_date_naissance=year, mois_date_naissance=month, jour_date_naissance=day)
    assert query_of(who)["dateNaissance"] == sent


def test_headers_say_who_asks_and_for_whom() -> None:
    question = Question(
        identity=WHO, parameters={}, caller=Caller(recipient=RECIPIENT), request_id=REQUEST_ID, today=TODAY
    )
    assert headers_of(question) == {
        "Content-Type": "application/json",
        "X-Correlation-ID": REQUEST_ID,
        "X-APIPART-FSFINAL": RECIPIENT,
    }


def test_identities_of_these_tests_have_passed_the_types_of_the_wire() -> None:
    assert msgspec.json.decode(msgspec.json.encode(WHO), type=Identite) == WHO
