"""Tests of the quotient familial in version 2, from the workers of CAF and MSA."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bouquet_cnaf.simulator import simulator as cnaf_simulator
from bouquet_cnaf.worker import worker as cnaf_worker
from bouquet_hub.personas import File, person_asked_for
from bouquet_hub.request import query_of
from bouquet_hub.simulator import SIMULATED_ANSWERS
from bouquet_msa.simulator import simulator as msa_simulator
from bouquet_msa.worker import worker as msa_worker
from bouquet_proto.identity import Identite
from bouquet_proto.quotient_familial import DATA_TYPES, IDENTITY_CHECKS_V2, OPERATIONS, QuotientFamilial
from bouquet_proto.quotient_familial import V2 as OPERATIONS_V2
from tests.providers.v2 import assert_retired, first_refusal, shown, typed
from tests.providers.worker_client import WorkerClient, identite, worker_client
from tests.support.openapi import assert_official, upstream_sample

BY_NAME, BY_SESSION = OPERATIONS_V2
WHO = identite("Dite", "Anne")


@pytest.fixture(params=["cnaf", "msa"])
async def fund(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    worker, simulator = {"cnaf": (cnaf_worker, cnaf_simulator), "msa": (msa_worker, msa_simulator)}[request.param]
    async with worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


async def reply_to(fund: WorkerClient, body: dict[str, Any], **period: int) -> Any:
    fund.app[SIMULATED_ANSWERS][person_asked_for(query_of(WHO))] = File(body)
    return shown(await fund(BY_NAME.id, WHO, **period), BY_NAME)


def person(born: str) -> dict[str, Any]:
    return {"nomNaissance": "DITE", "nomUsage": "MARTIN", "listePrenoms": "ANNE", "dateNaissance": born, "genre": "F"}


def part_of_date(year: str | None, month: str | None, day: str | None) -> dict[str, str | None]:
    return {"anneeDateDeNaissance": year, "moisDateDeNaissance": month, "jourDateDeNaissance": day}


async def test_a_file_is_shown_flat(fund: WorkerClient) -> None:
    body = {
        "allocataires": [person("1989-06-14")],
        "adresse": {
            "identite": "MADAME DITE",
            "complementInformationGeo": "BATIMENT B",
            "codePostalVille": "29200 BREST",
        },
        "quotientFamilial": 0,
        "annee": 2026,
        "mois": 3,
    }
    data = await reply_to(fund, body, annee=2025, mois=12)
    assert data == {
        "quotientFamilial": 0,
        "annee": 2025,
        "mois": 12,
        "allocataires": [
            {
                "nomNaissance": "DITE",
                "nomUsuel": "MARTIN",
                "prenoms": "ANNE",
                "sexe": "F",
                **part_of_date("1989", "06", "14"),
            }
        ],
        "enfants": [],
        "adresse": {
            "identite": "MADAME DITE",
            "complementInformation": None,
            "complementInformationGeographique": "BATIMENT B",
            "numeroLibelleVoie": None,
            "lieuDit": None,
            "codePostalVille": "29200 BREST",
            "pays": None,
        },
    }


@pytest.mark.parametrize(
    ("born", "parts"),
    [
        ("2019-05-00", ("2019", "05", None)),
        ("2019-00-00", ("2019", None, None)),
        ("0000-00-00", (None, None, None)),
        ("", (None, None, None)),
        (None, (None, None, None)),
    ],
)
async def test_an_unknown_part_of_a_date_is_null(fund: WorkerClient, born: Any, parts: tuple[Any, Any, Any]) -> None:
    data = await reply_to(fund, {"enfants": [person(born)], "quotientFamilial": 1, "annee": 2026, "mois": 3})
    assert {name: data["enfants"][0][name] for name in part_of_date(None, None, None)} == part_of_date(*parts)


@pytest.mark.parametrize("name", ["make_request_valid.json", "make_request_valid_without_children.json"])
async def test_a_recorded_file_is_shown(fund: WorkerClient, name: str) -> None:
    recorded = json.loads(upstream_sample(f"cnav/quotient_familial_v2/{name}"))
    data = await reply_to(fund, recorded)
    assert_official(BY_NAME.folder, data)
    assert data["quotientFamilial"] == recorded["quotientFamilial"]
    assert len(data["enfants"]) == len(recorded.get("enfants") or [])


async def test_france_connect_shows_the_same(fund: WorkerClient) -> None:
    data = await reply_to(
        fund, {"allocataires": [person("1989-06-14")], "quotientFamilial": 7, "annee": 2026, "mois": 3}
    )
    assert shown(await fund(BY_SESSION.id, WHO), BY_SESSION) == data


@pytest.mark.parametrize(
    ("scope", "fields"),
    [
        ("cnaf_quotient_familial", {"quotientFamilial", "annee", "mois"}),
        ("cnaf_allocataires", {"allocataires"}),
        ("cnaf_enfants", {"enfants"}),
        ("cnaf_adresse", {"adresse"}),
    ],
)
async def test_a_scope_opens_its_fields(fund: WorkerClient, scope: str, fields: set[str]) -> None:
    fund.app[SIMULATED_ANSWERS][person_asked_for(query_of(WHO))] = File(
        {"quotientFamilial": 1, "annee": 2026, "mois": 3}
    )
    assert shown(await fund(BY_NAME.id, WHO), BY_NAME, scope).keys() == fields


async def test_version_2_asks_the_hub_as_version_3_does(fund: WorkerClient) -> None:
    query = (
        "annee=2025&mois=12&nomUsage=MARTIN&nomNaissance=Dite&prenoms[]=Anne&sexe=f&anneeDateDeNaissance=1989"
        "&moisDateDeNaissance=6&codePaysLieuDeNaissance=99100&codeInseeLieuDeNaissance=29019"
    )
    await typed(fund, BY_NAME, query)
    who = Identite(
        nom_usage="MARTIN",
        nom_naissance="Dite",
        prenoms=("Anne",),
        sexe_etat_civil="F",
        annee_date_naissance=1989,
        mois_date_naissance=6,
        code_cog_insee_pays_naissance="99100",
        code_cog_insee_commune_naissance="29019",
    )
    assert dict(fund.received[-1].query) == query_of(who) | {"anneeDemandee": "2025", "moisDemande": "12"}


@pytest.mark.parametrize(
    ("query", "code"),
    [("annee=2020", "00356"), ("mois=13", "00354"), ("sexe=X", "00427"), ("", "00400")],
)
def test_version_2_reports_the_first_wrong_parameter_in_the_contract_s_order(query: str, code: str) -> None:
    assert first_refusal(BY_NAME, query) == code


def test_cnaf_and_msa_publish_the_same_operations() -> None:
    assert OPERATIONS[2:] == OPERATIONS_V2
    assert [one.id for one in msa_worker.offer().operations] == [one.id for one in OPERATIONS]
    assert {one.id for one in OPERATIONS} <= {one.id for one in cnaf_worker.offer().operations}
    assert {one.id: DATA_TYPES[one.id] is QuotientFamilial for one in OPERATIONS} == {
        one.id: one.path.startswith("/v3") for one in OPERATIONS
    }


def test_the_fields_have_the_names_of_version_2() -> None:
    names = {name for check in IDENTITY_CHECKS_V2 for name in check.names.values()}
    assert names == {
        "anneeDateDeNaissance",
        "moisDateDeNaissance",
        "jourDateDeNaissance",
        "sexe",
        "codePaysLieuDeNaissance",
        "codeInseeLieuDeNaissance",
        "codeInseeDepartementNaissance",
    }
    for operation in OPERATIONS_V2:
        assert operation.folder == "api_particulier_v2_cnav_quotient_familial_v2"
        assert (operation.france_connect_resource, operation.plan) == ("quotient_familial", "regime")
        assert_retired(operation, f"/v3/dss/quotient_familial/{operation.modality}")
