from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from bouquet_proto.identity import MODALITIES, Identite, Identity


@pytest.mark.parametrize(
    ("year", "month", "day", "sent"),
    [
        (1983, 7, 4, "1983-07-04"),
        (1983, 7, None, "1983-07-00"),
        (1983, None, 4, "1983-00-00"),
        (1983, None, None, "1983-00-00"),
        (None, 7, 4, "0000-00-00"),
        (None, None, None, "0000-00-00"),
        (983, 7, 4, "0983-07-04"),
    ],
)
def test_unknown_parts_of_a_birth_date_are_zeros(
    year: int | None, month: int | None, day: int | None, sent: str
) -> None:
    person = Identite(
        nom_naissance="DURANT",
        annee_date_naissance=year,
        mois_date_naissance=month,
        jour_date_naissance=day,
    )
    assert person.date_naissance() == sent


def test_every_identity_has_a_modality_named_as_its_tag() -> None:
    by_tag = {kind.__struct_config__.tag: kind for kind in get_args(Identity)}
    assert by_tag | {"france_connect": Identite} == MODALITIES


def test_unknown_values_of_an_identity_are_not_encoded() -> None:
    assert msgspec.to_builtins(Identite(nom_naissance="DURANT")) == {
        "type": "identite",
        "nom_naissance": "DURANT",
    }
