"""Tests of pupil status in version 2. A query must name the pupil's school. Only a caller that has both
`men_statut_boursier` and `men_echelon_bourse` sees the level of a scholarship."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bouquet_men.contract import NOT_ENROLLED, UNKNOWN_PUPIL, V2
from bouquet_men.personas import COLLEGE, key_of
from bouquet_men.simulator import SIMULATED_ANSWERS, simulator
from bouquet_men.worker import worker
from bouquet_proto.messages import NotFound
from tests.providers.v2 import assert_retired, first_refusal, shown, typed
from tests.providers.worker_client import WorkerClient, worker_client
from tests.support.openapi import assert_official, upstream_sample

PUPIL = V2.operation
WHERE = f"codeEtablissement={COLLEGE.uai}&anneeScolaire=2025-2026"
MAELINE = f"nom=KERVADEC&prenom=Maëline&sexe=f&dateNaissance=2012-03-14&{WHERE}"
GASPARD = f"nom=Belloncle&prenom=Gaspard&sexe=m&dateNaissance=2011-12-05&{WHERE}"

MAELINE_SHOWN: dict[str, Any] = {
    "eleve": {"nom": "Kervadec", "prenom": "Maëline", "sexe": "F", "date_naissance": "2012-03-14"},
    "annee_scolaire": "2025",
    "est_scolarise": True,
    "status_eleve": {"code": "ST", "libelle": "SCOLAIRE"},
    "code_etablissement": COLLEGE.uai,
    "est_boursier": True,
    "niveau_bourse": 3,
}
SCHOOLING = {"eleve", "annee_scolaire", "est_scolarise", "status_eleve", "code_etablissement"}


@pytest.fixture
async def men(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


async def test_a_pupil_is_shown_as_the_contract_says(men: WorkerClient) -> None:
    data = shown(await typed(men, PUPIL, MAELINE), PUPIL)
    assert data == MAELINE_SHOWN
    assert_official(PUPIL.id, data)
    [call] = [received for received in men.received if received.path != "/token"]
    assert (call.method, call.path) == ("GET", "/scolarites")
    assert dict(call.query)["code-uai"] == COLLEGE.uai


async def test_version_2_ignores_a_search_by_region(men: WorkerClient) -> None:
    query = f"{MAELINE}&degreEtablissement=2D&codesBcnDepartements[]=022"
    assert shown(await typed(men, PUPIL, query), PUPIL) == MAELINE_SHOWN


@pytest.mark.parametrize(
    ("scopes", "fields"),
    [
        (("men_statut_scolarite",), SCHOOLING),
        (("men_statut_boursier",), {"code_etablissement", "est_boursier"}),
        (("men_echelon_bourse",), {"code_etablissement"}),
        (("men_statut_boursier", "men_echelon_bourse"), {"code_etablissement", "est_boursier", "niveau_bourse"}),
        (("men_statut_scolarite", "men_echelon_bourse"), SCHOOLING),
        (("men_statut_identite", "men_regime_pensionnat"), {"code_etablissement"}),
    ],
)
async def test_scopes_open_their_fields(men: WorkerClient, scopes: tuple[str, ...], fields: set[str]) -> None:
    assert shown(await typed(men, PUPIL, MAELINE), PUPIL, *scopes).keys() == fields


@pytest.mark.parametrize(
    ("name", "scholarship"),
    [
        ("valid.json", (False, None)),
        ("valid_with_bourse.json", (True, 1)),
        ("unknown_bourse.json", (None, None)),
        ("valid_v2.json", (None, None)),
        ("valid_v2_with_bourse.json", (True, 2)),
    ],
)
async def test_a_recorded_answer_is_shown(
    men: WorkerClient, name: str, scholarship: tuple[bool | None, int | None]
) -> None:
    body = json.loads(upstream_sample(f"men/scolarites/{name}"))
    men.app[SIMULATED_ANSWERS][key_of("Belloncle", "Gaspard", 1, "2011-12-05")] = (200, body)
    data = shown(await typed(men, PUPIL, GASPARD), PUPIL)
    assert_official(PUPIL.id, data)
    assert (data["est_boursier"], data["niveau_bourse"]) == scholarship
    assert data["code_etablissement"] == body["identification"]["etablissement"]["code-uai"]


async def test_an_unknown_and_an_unenrolled_pupil_are_a_student_not_found(men: WorkerClient) -> None:
    assert await typed(men, PUPIL, MAELINE.replace("KERVADEC", "INCONNU")) == NotFound(UNKNOWN_PUPIL)
    problems = worker.offer().problems
    assert {problems[reason].v2_reason for reason in (UNKNOWN_PUPIL, NOT_ENROLLED)} == {"Student not found"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "00420"),
        ("nom=A", "00421"),
        ("nom=A&prenom=B", "00422"),
        ("nom=A&prenom=B&dateNaissance=2012-03-32", "00424"),
        ("nom=A&prenom=B&dateNaissance=2012-03-14", "00427"),
        ("nom=A&prenom=B&dateNaissance=2012-03-14&sexe=not_valid", "00427"),
        ("nom=A&prenom=B&dateNaissance=2012-03-14&sexe=M", "00410"),
        ("nom=A&prenom=B&dateNaissance=2012-03-14&sexe=M&codesBcnRegions[]=03&degreEtablissement=2D", "00410"),
        ("nom=A&prenom=B&dateNaissance=2012-03-14&sexe=M&codeEtablissement=0359417N", "00411"),
    ],
)
def test_version_2_reports_the_first_wrong_parameter_in_the_contract_s_order(query: str, code: str) -> None:
    assert first_refusal(PUPIL, query) == code


def test_version_2_has_its_own_scopes_and_a_sunset_date() -> None:
    assert PUPIL.scopes == ("men_statut_scolarite", "men_statut_boursier", "men_echelon_bourse")
    assert_retired(PUPIL, "/v5/men/scolarites/identite")
