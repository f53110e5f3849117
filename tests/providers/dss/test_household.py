"""Tests of the participation familiale EAJE, computed from the hub's household (docs/reference/upstreams/dss.md §4)."""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

import pytest

from bouquet_dss.household import is_younger_than
from bouquet_dss.upstream import Member
from bouquet_proto.messages import Failed, NotFound
from tests.providers.dss.replies import (
    OPERATIONS,
    household,
    reply_to,
)
from tests.providers.worker_client import WorkerClient, data_of
from tests.support.openapi import assert_official


async def test_a_household_is_a_straight_copy(dss: WorkerClient) -> None:
    data = data_of(await reply_to(dss, "eaje", household()))
    assert_official(OPERATIONS["eaje"], data)
    assert data == {
        "allocataires": [
            {
                "nom_naissance": "LAUZERTE",
                "nom_usage": "",
                "prenoms": "PERRINE ODE",
                "date_naissance": "1991-01-15",
                "sexe": "F",
                "code_cog_insee_commune_naissance": "64102",
            }
        ],
        "enfants": [
            {
                "nom_naissance": "LAUZERTE",
                "nom_usage": None,
                "prenoms": "IBAN",
                "date_naissance": "2023-10-02",
                "sexe": "M",
                "code_cog_insee_commune_naissance": None,
            }
        ],
        "adresse": {
            "destinataire": "Mme LAUZERTE Perrine",
            "complement_information": "",
            "complement_information_geographique": "Residence Ttipia",
            "numero_libelle_voie": "18 chemin des Fougeres",
            "lieu_dit": None,
            "code_postal_ville": "64240 Hasparren",
            "pays": "France",
        },
        "parametres_calcul_participation_familiale": {
            "nombre_enfants_a_charge": 2,
            "nombre_enfants_beneficiaire_aeeh": 1,
            "base_ressources_annuelles": {"valeur": 21480, "annee_calcul": 2024},
        },
    }


@pytest.mark.parametrize(("annee", "year"), [("2024", 2024), (2024, 2024)])
@pytest.mark.parametrize(("amount", "euros"), [(21480, 21480), (21480.0, 21480), (21480.49, 21480), (0, 0)])
async def test_the_year_is_a_number_and_the_amount_in_euros(
    dss: WorkerClient, annee: str | int, year: int, amount: float, euros: int
) -> None:
    data = data_of(await reply_to(dss, "eaje", household(annee=annee, montantRessources=amount)))
    base = data["parametres_calcul_participation_familiale"]["base_ressources_annuelles"]
    assert base == {"valeur": euros, "annee_calcul": year}
    assert_official(OPERATIONS["eaje"], data)


@pytest.mark.parametrize(
    "changed",
    [
        {"adresse": None},
        {"allocataires": None},
        {"allocataires": []},
        {"montantRessources": None},
        {"montantRessources": "21480"},
        {"nombreEnfantACharge": None},
        {"nombreBeneficiaireAEH": None},
        {"annee": None},
        {"annee": ""},
        {"annee": "N-2"},
        {"enfants": [{"dateNaissance": "02/10/2023"}]},
        {"enfants": [None]},
    ],
    ids=str,
)
@pytest.mark.parametrize("how", ["null", "absent"])
async def test_a_household_with_something_missing_is_malformed(
    dss: WorkerClient, changed: dict[str, Any], how: str
) -> None:
    body = household(**changed)
    if how == "absent":
        body = {key: value for key, value in body.items() if value is not None}
    assert await reply_to(dss, "eaje", body) == Failed("upstream_malformed")


@pytest.mark.parametrize("enfants", [None, [], [{}], [{"dateNaissance": "2019-04-15"}], [{"dateNaissance": ""}]])
async def test_a_household_without_a_young_child_is_not_eligible(
    dss: WorkerClient, enfants: list[Any] | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert await reply_to(dss, "eaje", household(enfants=enfants)) == NotFound("no_young_child")
    assert "crèche rate asked for a household without a child of the age" in caplog.messages


async def test_one_young_child_is_enough(dss: WorkerClient) -> None:
    children = [{"dateNaissance": "2010-03-15"}, {"dateNaissance": "2019-04-16"}]
    assert len(data_of(await reply_to(dss, "eaje", household(enfants=children)))["enfants"]) == 2


@pytest.mark.parametrize(
    ("born", "today", "young"),
    [
        ("2019-04-16", "2026-04-15", True),
        ("2019-04-15", "2026-04-15", False),
        ("2020-02-29", "2027-02-28", True),
        ("2020-02-29", "2027-03-01", False),
        ("2019-00-00", "2025-12-31", True),
        ("2019-00-00", "2026-01-01", False),
        ("2019-05-00", "2026-04-30", True),
        ("2019-05-00", "2026-05-01", False),
        ("2022-02-31", "2026-04-15", True),
        ("0000-00-00", "2026-04-15", False),
        (None, "2026-04-15", False),
    ],
)
def test_seven_years_are_whole(born: str | None, today: str, young: bool) -> None:
    assert is_younger_than(7, Member(date_naissance=born), date.fromisoformat(today)) is young
