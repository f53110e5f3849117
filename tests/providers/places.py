"""Places of birth as callers may send them, for tests of providers that receive a commune's code."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from bouquet_worker import Identite
from tests.providers.worker_client import identite

MAIWENN = identite("LE GOFF", "Maïwenn", "Rozenn", born="2005-06-17", sexe="F", commune="29039")
CONCARNEAU = {"nom_commune_naissance": "Concarneau", "code_cog_insee_departement_naissance": "29"}


def named_place(**place: Any) -> Identite:
    return replace(MAIWENN, code_cog_insee_commune_naissance=None, **place)


SENT_BY_CODE = [
    pytest.param(named_place(), None, id="silent"),
    pytest.param(named_place(**CONCARNEAU), "29039", id="resolved"),
    pytest.param(replace(MAIWENN, code_cog_insee_commune_naissance="", **CONCARNEAU), "29039", id="blank code"),
    pytest.param(
        replace(MAIWENN, nom_commune_naissance="Quimper", code_cog_insee_departement_naissance="29"),
        "29039",
        id="the code wins",
    ),
    pytest.param(replace(MAIWENN, code_cog_insee_pays_naissance="99352"), None, id="abroad"),
]
"""Test parameters: an identity, and the commune code that the provider must receive for this person's place of birth
(`None` if it must receive no code)."""

UNRESOLVED = [
    pytest.param(named_place(**CONCARNEAU | {"nom_commune_naissance": "Nulle-Part"}), id="no such commune"),
    pytest.param(
        named_place(**CONCARNEAU | {"code_cog_insee_departement_naissance": "62"}), id="in another département"
    ),
    pytest.param(
        named_place(nom_commune_naissance="Saint-Martin", code_cog_insee_departement_naissance="62"),
        id="one of several",
    ),
    pytest.param(named_place(nom_commune_naissance="Concarneau"), id="no département"),
    pytest.param(named_place(code_cog_insee_departement_naissance="29"), id="no name"),
]
