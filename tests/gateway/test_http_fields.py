"""Tests of the fields that a caller's scopes open. Any other field is left out, not null (docs/reference/contract.md
§0, §1.6.1)."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest

from tests.support.gateway_client import SCOPES
from tests.support.mesh import Mesh, mesh
from tests.support.openapi import assert_official
from tests.support.people import CAF_ALLOCATAIRE

FIELD_OF = {
    "cnaf_quotient_familial": "quotient_familial",
    "cnaf_allocataires": "allocataires",
    "cnaf_enfants": "enfants",
    "cnaf_adresse": "adresse",
}
WHOLE = {
    "quotient_familial": {
        "fournisseur": "CNAF",
        "valeur": 612,
        "annee": 2026,
        "mois": 4,
        "annee_calcul": 2026,
        "mois_calcul": 3,
    },
    "allocataires": [
        {
            "nom_naissance": "LE GOUADEC",
            "nom_usage": "KERVENNIC",
            "prenoms": "MAELYS INES",
            "annee_date_de_naissance": "1989",
            "mois_date_de_naissance": "06",
            "jour_date_de_naissance": "14",
            "date_naissance": "1989-06-14",
            "sexe": "F",
        },
        {
            "nom_naissance": "KERVENNIC",
            "nom_usage": None,
            "prenoms": "YANN",
            "annee_date_de_naissance": "1987",
            "mois_date_de_naissance": "01",
            "jour_date_de_naissance": "05",
            "date_naissance": "1987-01-05",
            "sexe": "M",
        },
    ],
    "enfants": [
        {
            "nom_naissance": "KERVENNIC",
            "nom_usage": None,
            "prenoms": "LOUISE",
            "annee_date_de_naissance": "2019",
            "mois_date_de_naissance": "08",
            "jour_date_de_naissance": "11",
            "date_naissance": "2019-08-11",
            "sexe": "F",
        },
        {
            "nom_naissance": "KERVENNIC",
            "nom_usage": None,
            "prenoms": "EWEN",
            "annee_date_de_naissance": "2022",
            "mois_date_de_naissance": "05",
            "jour_date_de_naissance": None,
            "date_naissance": "2022-05-00",
            "sexe": "M",
        },
    ],
    "adresse": {
        "destinataire": "MADAME KERVENNIC MAELYS",
        "complement_information": "APPARTEMENT 14",
        "complement_information_geographique": "BATIMENT LES AJONCS",
        "numero_libelle_voie": "3 RUE DU FOUR A PAIN",
        "lieu_dit": None,
        "code_postal_ville": "29200 BREST",
        "pays": "FRANCE",
    },
}


@pytest.fixture
async def client() -> AsyncIterator[Mesh]:
    async with mesh() as opened:
        yield opened


async def test_every_scope_opens_everything(client: Mesh) -> None:
    assert (await client.get(params=CAF_ALLOCATAIRE)).json == {"data": WHOLE, "links": {}, "meta": {}}


@pytest.mark.parametrize(
    "scopes", [scopes for size in (1, 2, 3) for scopes in itertools.combinations(SCOPES, size)], ids="+".join
)
async def test_a_field_without_its_scope_is_absent(client: Mesh, scopes: tuple[str, ...]) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE, scopes=[*scopes, "cnous_email"])
    fields = {FIELD_OF[scope] for scope in scopes}
    assert answer.json == {"data": {name: WHOLE[name] for name in fields}, "links": {}, "meta": {}}


async def test_an_answer_to_all_scopes_follows_the_official_document(client: Mesh) -> None:
    data = (await client.get(params=CAF_ALLOCATAIRE)).json["data"]
    # The document has whole dates; in our contract unknown parts are zeros.
    data["enfants"][1]["date_naissance"] = "2022-05-01"
    assert_official("api_particulier_v3_cnav_quotient_familial_with_civility", data)


async def test_an_answer_is_json_in_utf_8(client: Mesh) -> None:
    answer = await client.get(params=CAF_ALLOCATAIRE)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
