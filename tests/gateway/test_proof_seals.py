"""Tests of the seals of proofs: what the keys made, unchanged and for its purpose, opens; nothing else does."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from datetime import datetime

import pytest

from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.paris import PARIS
from bouquet_gateway.proofs.keys import KeyRing, NotSealed, ring_of
from bouquet_gateway.proofs.proofs import PURPOSE, TEST_PURPOSE, Proofs
from bouquet_gateway.proofs.statement import Row, Section
from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import SettingsError

FIRST, SECOND = {"2026": Secret("1" * 32)}, {"2027": Secret("2" * 32)}
OF_2026 = (
    "2026.hk5C4ogPvGytyYh5MaWoY26dBAoDeDB_ndLBY0CvKHcwPFOcxQey3nALpXO2uDl7WKpsE9cTlpd5Cvt7F_IJ9bOZdd5oojI"
    "N5D6uqPB05JYTtEwOrjeN0CKs3wjvL_j17NINpdjcC3seiuKlQErnRUzbuY21IWFo1r4wLN4DDWn2A58i75wGg66AnnnprPXrV1g"
    "pyqVAgJvjf6OHYvbIbveDwXUhaC9bUfVKHUAB83JqGPiyzbPOQbOL5Z9GDFn2t47a"
)
"""Proof that the key `2026` sealed in November 2026. It must stay readable until November 2031."""
MUTATIONS = 10_000
LETTERS = string.ascii_letters + string.digits + "-_.=+/%é "


def proofs(keys: dict[str, Secret], *, is_sandbox: bool = False) -> Proofs:
    today = datetime(2026, 11, 30, 12, tzinfo=PARIS)
    return Proofs(KeyRing(keys), lambda: today, "https://bouquet.example", is_sandbox=is_sandbox)


def is_refused(text: str, by: Proofs) -> bool:
    try:
        by.verify(text)
    except Problem as problem:
        return problem.reasons == ("proof_unknown",)
    return False


def mutated(text: str, count: int) -> Iterator[str]:
    """Yields `count` changed forms of a text, each with one to three letters replaced, added, removed, swapped or
    cut off. The choice is the same in each run."""
    chance = random.Random(20_261_130)
    made = 0
    while made < count:
        letters = list(text)
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(letters) - 1)
            match chance.randrange(5):
                case 0:
                    letters[place] = chance.choice(LETTERS)
                case 1:
                    letters.insert(place, chance.choice(LETTERS))
                case 2:
                    del letters[place]
                case 3:
                    letters[place], letters[place + 1] = letters[place + 1], letters[place]
                case _:
                    letters[-1 - place % 3 :] = chance.choice(LETTERS)
        if (changed := "".join(letters)) != text:
            made += 1
            yield changed


def test_none_of_10_000_mutated_proofs_is_accepted() -> None:
    verifier = proofs(FIRST)
    assert verifier.verify(OF_2026)
    accepted = [text for text in mutated(OF_2026, MUTATIONS) if not is_refused(text, verifier)]
    assert accepted == []


def test_each_other_last_letter_makes_a_proof_unknown() -> None:
    # Base64 drops bits of the last letter, so that some of them decode to the same bytes.
    others = {OF_2026[:-1] + letter for letter in string.ascii_letters + string.digits + "-_"} - {OF_2026}
    assert all(is_refused(text, proofs(FIRST)) for text in others)


def test_a_proof_of_another_key_is_unknown() -> None:
    assert is_refused(OF_2026, proofs(SECOND))
    assert is_refused(OF_2026, proofs({"2026": Secret("2" * 32)}))


def test_a_proof_that_names_another_key_of_the_ring_is_unknown() -> None:
    assert is_refused(OF_2026.replace("2026.", "2027."), proofs(SECOND | FIRST))


def test_a_former_key_still_opens_its_proofs() -> None:
    statement = proofs(SECOND | FIRST).verify(OF_2026)
    assert statement.sections == (Section("Quotient familial", ((Row("Quotient familial (en euros)", "464"),),)),)
    assert (statement.siret, statement.valid_until) == ("13002526500013", "2031-11-30")


def test_the_first_key_of_the_ring_seals() -> None:
    assert KeyRing(SECOND | FIRST).seal(b"content", PURPOSE).startswith("2027.")


def test_what_is_sealed_for_another_purpose_is_no_proof() -> None:
    ring = KeyRing(FIRST)
    content = ring.open(OF_2026, PURPOSE)
    assert is_refused(ring.seal(content, "download of a document"), proofs(FIRST))


def test_a_proof_of_a_sandbox_is_unknown_to_a_real_gateway_with_its_key_and_the_other_way_round() -> None:
    ring = KeyRing(FIRST)
    content = ring.open(OF_2026, PURPOSE)
    assert is_refused(ring.seal(content, TEST_PURPOSE), proofs(FIRST))
    assert is_refused(OF_2026, proofs(FIRST, is_sandbox=True))


@pytest.mark.parametrize("text", ["", ".", "2026.", "2026", "2026.é", "2026." + "A" * 4000, "\udcff.AAAA"])
def test_a_text_that_is_no_seal_is_unknown(text: str) -> None:
    assert is_refused(text, proofs(FIRST))


def test_a_seal_without_a_statement_is_unknown() -> None:
    assert is_refused(KeyRing(FIRST).seal(b"not deflated", PURPOSE), proofs(FIRST))


def test_two_seals_of_one_content_differ() -> None:
    ring = KeyRing(FIRST)
    assert ring.seal(b"content", PURPOSE) != ring.seal(b"content", PURPOSE)


@pytest.mark.parametrize(
    "setting",
    ["2026", "2026:short", f":{'k' * 32}", f"a name:{'k' * 32}", f"1:{'k' * 32},1:{'l' * 32}", f"1:{'k' * 32},"],
)
def test_wrong_keys_are_refused_without_being_shown(setting: str) -> None:
    with pytest.raises(SettingsError, match="BOUQUET_GATEWAY_PROOF_KEYS: must ") as refusal:
        ring_of(Secret(setting))
    assert "kkk" not in str(refusal.value)
    assert "short" not in str(refusal.value)


def test_a_content_opens_only_for_its_purpose() -> None:
    ring = KeyRing(FIRST)
    with pytest.raises(NotSealed):
        ring.open(ring.seal(b"content", "one purpose"), "another purpose")
