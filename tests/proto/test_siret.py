from __future__ import annotations

import pytest

from bouquet_proto.rules import is_siret


@pytest.mark.parametrize("siret", ["13002526500013", "00000000000000", "73282932000074"])
def test_fourteen_digits_with_a_right_checksum_are_a_siret(siret: str) -> None:
    assert is_siret(siret)


def test_one_wrong_digit_is_seen() -> None:
    assert not any(is_siret(f"1300252650001{digit}") for digit in "012456789")


@pytest.mark.parametrize("siret", ["35600000000048", "35600000099999", "35600000000001"])
def test_any_establishment_of_la_poste_passes_without_a_checksum(siret: str) -> None:
    assert is_siret(siret)


@pytest.mark.parametrize(
    "text",
    ["", "1300252650001", "130025265000130", "13002526500013\n", " 3002526500013", "1300252650001X"],
)
def test_only_fourteen_digits_are_a_siret(text: str) -> None:
    assert not is_siret(text)


def test_digits_of_other_scripts_are_not_digits() -> None:
    assert not is_siret("٠" * 14)
