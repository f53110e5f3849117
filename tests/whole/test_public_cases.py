"""Tests of the public cases of the quotient familial through the whole mesh. For each case, a simulated provider has
the person's file, and the date is set to the month of the case."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bouquet_hub.personas import NO_FILE, CivilStatus, File, person_asked_for
from bouquet_hub.request import transliterate
from bouquet_hub.simulator import SIMULATED_ANSWERS
from bouquet_proto.quotient_familial import birth_parts
from tests.support.contract_changes import PAST_MONTHS_SERVED
from tests.support.gateway_client import RECIPIENT
from tests.support.mesh import TODAY, Mesh, mesh
from tests.support.reference import REFERENCE, needs

OPERATION = "api_particulier_v3_cnav_quotient_familial_with_civility"
FOLDER = REFERENCE / "cases" / OPERATION
CASES = sorted(FOLDER.glob("*.yaml"))
HERE = needs(FOLDER)

ADDRESS = {
    "identite": "destinataire",
    "complementInformation": "complement_information",
    "complementInformationGeo": "complement_information_geographique",
    "numeroLibelleVoie": "numero_libelle_voie",
    "lieuDit": "lieu_dit",
    "codePostalVille": "code_postal_ville",
    "pays": "pays",
}
PERSON = {
    "nomNaissance": "nom_naissance",
    "nomUsage": "nom_usage",
    "listePrenoms": "prenoms",
    "dateNaissance": "date_naissance",
    "genre": "sexe",
}
"""Map from the name of each field of a person in an answer of the CAF or MSA to the contract's name for it."""


def read(path: Path) -> tuple[dict[str, Any], int, Any]:
    """Reads a public sandbox case: its query parameters, and the status and body of the expected answer."""
    case = yaml.safe_load(path.read_text())
    params = {f"{name}[]" if isinstance(value, list) else name: value for name, value in case["params"].items()}
    return {"recipient": RECIPIENT} | params, case["status"], json.loads(case["payload"])


def statuses(*wanted: int) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in CASES if read(path)[1] in wanted]


def upstream_file(data: Any) -> File:
    """Converts the data of a public case to a household's file, from which the simulated CAF or MSA answers with the
    same data."""
    quotient = data["quotient_familial"]
    people = {name: [in_hub_s_words(one, PERSON) for one in data[name]] for name in ("allocataires", "enfants")}
    return File(
        {
            **{name: found for name, found in people.items() if found},
            "adresse": in_hub_s_words(data["adresse"], ADDRESS),
            "quotientFamilial": quotient["valeur"],
            "annee": quotient["annee_calcul"],
            "mois": quotient["mois_calcul"],
        }
    )


def in_hub_s_words(values: dict[str, Any], words: dict[str, str]) -> dict[str, Any]:
    return {theirs: values[ours] for theirs, ours in words.items() if values[ours] is not None}


def who_in(params: dict[str, Any]) -> CivilStatus:
    parts = [int(params.get(f"{part}DateNaissance", 0)) for part in ("annee", "mois", "jour")]
    return person_asked_for(
        {
            "nomNaissance": transliterate(params["nomNaissance"]),
            "listePrenoms": transliterate(" ".join(params.get("prenoms[]", ()))),
            "dateNaissance": "{:04}-{:02}-{:02}".format(*parts),
            "genre": params["sexeEtatCivil"],
        }
    )


def in_production(body: Any) -> Any:
    """Returns the body of a public case as a real gateway sends it: with the year, month and day of each birth date as
    separate fields too (docs/reference/contract.md §1.6.1)."""
    for person in (*body["data"]["allocataires"], *body["data"]["enfants"]):
        person |= birth_parts(person["date_naissance"])
    return body


def month_of(data: Any) -> date:
    quotient = data["quotient_familial"]
    return date(quotient["annee"], quotient["mois"], 15)


def last_day_told(month: date) -> date:
    """Returns the last day on which a caller may ask about `month`."""
    months = month.year * 12 + month.month - 1 + PAST_MONTHS_SERVED + 1
    return date(months // 12, months % 12 + 1, 1) - timedelta(days=1)


def prime(client: Mesh, who: CivilStatus, **files: Any) -> None:
    for provider, said in files.items():
        client.simulators[provider][SIMULATED_ANSWERS][who] = said


@HERE
@pytest.mark.parametrize("path", statuses(200))
async def test_a_public_case_is_answered_by_the_workers_as_by_the_sandbox(path: Path) -> None:
    params, status, body = read(path)
    holder = body["data"]["quotient_familial"]["fournisseur"].lower()
    async with mesh(today=month_of(body["data"])) as client:
        prime(client, who_in(params), **{"cnaf": NO_FILE, "msa": NO_FILE} | {holder: upstream_file(body["data"])})
        answer = await client.get(params=params)
    assert (answer.status, answer.json) == (status, in_production(body))


@HERE
@pytest.mark.parametrize("path", statuses(200))
async def test_a_public_case_of_a_past_month_is_answered_alike(path: Path) -> None:
    """Tests that the whole mesh gives the answer of a public case, on the last day on which a caller may ask about the
    month of the case."""
    params, status, body = read(path)
    month = month_of(body["data"])
    async with mesh(today=last_day_told(month)) as client:
        prime(client, who_in(params), cnaf=upstream_file(body["data"]))
        answer = await client.get(params=params | {"annee": month.year, "mois": month.month})
    assert (answer.status, answer.json) == (status, in_production(body))


@HERE
@pytest.mark.parametrize("path", statuses(404))
async def test_an_absent_public_case_has_the_error_of_the_workers(path: Path) -> None:
    """Tests that a call about a person whom neither CAF nor MSA knows gets the error 35003, although the public case
    still has 37003 (docs/reference/contract.md §8.5, B5)."""
    params, status, _ = read(path)
    async with mesh(today=TODAY) as client:
        prime(client, who_in(params), cnaf=NO_FILE, msa=NO_FILE)
        answer = await client.get(params=params)
    assert (answer.status, answer.codes) == (status, ["35003"])


@HERE
def test_no_public_case_is_refused_for_its_parameters() -> None:
    """Tests that every public case has one of the statuses 200, 404, 502 and 504. The other tests here do not cover a
    case with another status, such as a 422 for wrong parameters."""
    assert sorted({read(path)[1] for path in CASES}) == [200, 404, 502, 504]


@HERE
def test_eleven_found_and_three_absent_public_cases_exist() -> None:
    assert (len(statuses(200)), len(statuses(404))) == (11, 3)
