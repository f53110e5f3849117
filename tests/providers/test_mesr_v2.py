"""Tests of student status in version 2: the data are at the top level, with the enrolments that the caller's scopes
allow."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bouquet_mesr.contract import FRANCE_CONNECT_V2, IDENTITE_V2, INE_V2, UNKNOWN_STUDENT
from bouquet_mesr.simulator import SIMULATED_ANSWERS, simulator
from bouquet_mesr.upstream import REGIMES
from bouquet_mesr.worker import worker
from bouquet_proto.messages import Failed, Found, NotFound
from tests.providers import worker_client
from tests.providers.v2 import assert_retired, first_refusal, shown, typed
from tests.providers.worker_client import WorkerClient, identite
from tests.support.openapi import upstream_sample

BY_NAME, BY_INE, BY_SESSION = IDENTITE_V2.operation, INE_V2.operation, FRANCE_CONNECT_V2.operation

CIVILITY = "nom=LE+GOFF&prenom=Maïwenn&dateDeNaissance=2005-06-17&sexe=f&lieuDeNaissance=29039"
MAIWENN: dict[str, Any] = {
    "nom": "LE GOFF",
    "prenom": "Maïwenn",
    "dateNaissance": "2005-06-17",
    "inscriptions": [
        {
            "statut": "inscrit",
            "regime": "formation initiale",
            "dateDebutInscription": "2025-09-01",
            "dateFinInscription": "2026-08-31",
            "etablissement": {"uai": "0299002L", "nom": "UFR DES SCIENCES SIMULEES DE BREST (29200)"},
            "codeCommune": "29019",
        },
        {
            "statut": "admis",
            "regime": "formation initiale",
            "dateDebutAdmission": "2025-07-01",
            "dateFinAdmission": "2026-08-31",
            "etablissement": {"uai": "0649003M", "nom": "FACULTE DE DROIT IMAGINAIRE DE PAU (64000)"},
            "codeCommune": "64445",
        },
    ],
}


@pytest.fixture
async def mesr(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client.worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


def enrolled(regime: str | None, statut: str | None = "inscrit") -> dict[str, Any]:
    return {
        "dateDebutInscription": "2025-09-01",
        "dateFinInscription": "2026-08-31",
        "statut": statut,
        "regime": regime,
        "codeCommune": "29019",
        "etablissement": {"uai": "0299002L", "nomEtablissement": "UFR"},
    }


async def inscription(mesr: WorkerClient, told: dict[str, Any], *scopes: str) -> Any:
    mesr.app[SIMULATED_ANSWERS]["DIT"] = (200, {"nomFamille": "DIT", "inscriptions": [told]})
    reply = await mesr(BY_NAME.id, identite("Dit", "Alix", born="2005-06-17"))
    [only] = shown(reply, BY_NAME, *scopes)["inscriptions"]
    return only


async def test_a_student_is_shown_flat(mesr: WorkerClient) -> None:
    assert shown(await typed(mesr, BY_NAME, CIVILITY), BY_NAME) == MAIWENN
    assert json.loads(mesr.received[0].body) == {
        "nomFamille": "LE GOFF",
        "prenom1": "Maïwenn",
        "dateNaissance": "2005-06-17",
        "sexe": "2",
        "lieuNaissance": "29039",
    }


async def test_an_ine_is_shown_where_the_ministry_tells_it(mesr: WorkerClient) -> None:
    reply = await typed(mesr, BY_INE, "ine=050617293hk")
    assert shown(reply, BY_INE) == MAIWENN | {"ine": "050617293HK"}
    assert "ine" not in shown(reply, BY_INE, "mesri_identite")


async def test_france_connect_shows_the_identity_too(mesr: WorkerClient) -> None:
    who = identite("LE GOFF", "Maïwenn", "Rozenn", born="2005-06-17", commune="29039")
    assert shown(await mesr(BY_SESSION.id, who), BY_SESSION) == MAIWENN


INITIALE, CONTINUE = "mesri_inscription_etudiant", "mesri_inscription_autre"
KINDS = {
    "RF1": (INITIALE, "formation initiale"),
    "RF2": (INITIALE, "formation initiale"),
    "RF3": (INITIALE, "formation initiale"),
    "RF4": (INITIALE, "formation initiale"),
    "RF5": (CONTINUE, "formation continue"),
    "RF6": (CONTINUE, "formation continue"),
    "RF7": (CONTINUE, "formation continue"),
}


@pytest.mark.parametrize(("regime", "code"), [(regime, code) for regime, code in REGIMES.items() if regime])
async def test_an_enrolment_is_shown_with_the_scope_of_its_kind(mesr: WorkerClient, regime: str, code: str) -> None:
    scope, kind = KINDS[code]
    assert await inscription(mesr, enrolled(regime), scope) == {
        "statut": "inscrit",
        "regime": kind,
        "dateDebutInscription": "2025-09-01",
        "dateFinInscription": "2026-08-31",
    }
    others = {INITIALE, CONTINUE, "mesri_admission", "mesri_etablissements"} - {scope}
    assert await inscription(mesr, enrolled(regime), *others) == {}


@pytest.mark.parametrize("regime", [*REGIMES, "microcertification", None])
async def test_an_admission_keeps_the_ministry_s_own_words(mesr: WorkerClient, regime: str | None) -> None:
    assert await inscription(mesr, enrolled(regime, "admis"), "mesri_admission") == {
        "statut": "admis",
        "regime": regime,
        "dateDebutAdmission": "2025-09-01",
        "dateFinAdmission": "2026-08-31",
    }
    assert await inscription(mesr, enrolled(regime, "admis"), INITIALE, CONTINUE, "mesri_etablissements") == {}


@pytest.mark.parametrize("statut", ["autre", "", None])
async def test_an_enrolment_of_unknown_status_is_shown_as_neither_kind(mesr: WorkerClient, statut: str | None) -> None:
    assert await inscription(mesr, enrolled("formation initiale", statut)) == {}


@pytest.mark.parametrize("regime", ["microcertification", None])
async def test_an_enrolment_of_no_known_kind_is_shown_to_nobody(mesr: WorkerClient, regime: str | None) -> None:
    assert await inscription(mesr, enrolled(regime)) == {}


async def test_a_school_is_shown_beside_what_one_may_see(mesr: WorkerClient) -> None:
    told = await inscription(mesr, enrolled("formation initiale"), INITIALE, "mesri_etablissements")
    assert {"etablissement", "codeCommune"} <= told.keys()
    assert told["codeCommune"] == "29019"  # where API Particulier writes null (docs/contract.md, C10)


@pytest.mark.parametrize(
    ("scope", "fields"),
    [
        ("mesri_identite", {"nom", "prenom", "dateNaissance"}),
        ("mesri_identifiant", {"ine"}),
        (INITIALE, {"inscriptions"}),
        (CONTINUE, {"inscriptions"}),
        ("mesri_admission", {"inscriptions"}),
        ("mesri_etablissements", {"inscriptions"}),
    ],
)
async def test_a_scope_opens_its_fields(mesr: WorkerClient, scope: str, fields: set[str]) -> None:
    assert shown(await typed(mesr, BY_INE, "ine=050617293HK"), BY_INE, scope).keys() == fields


@pytest.mark.parametrize(
    "name", ["valid.json", "with_ine_valid_response.json", "with_ine_valid_response_with_admis_statut.json"]
)
async def test_a_recorded_answer_is_shown(mesr: WorkerClient, name: str) -> None:
    folder = "statut_etudiant" if name == "valid.json" else "student_status"
    mesr.app[SIMULATED_ANSWERS]["DIT"] = (200, json.loads(upstream_sample(f"mesri/{folder}/{name}")))
    data = shown(await mesr(BY_NAME.id, identite("Dit", "Alix", born="2005-06-17")), BY_NAME)
    assert (data["nom"], data["prenom"], data["dateNaissance"]) == ("Dupont", "Jean", "2000-01-01")
    assert all(one["regime"] == "formation initiale" for one in data["inscriptions"])
    statut = "admis" if "admis" in name else "inscrit"
    assert data["inscriptions"][0]["statut"] == statut


async def test_a_stranger_and_a_silent_ministry_are_told_apart(mesr: WorkerClient) -> None:
    assert await typed(mesr, BY_INE, "ine=1234567890G") == NotFound(UNKNOWN_STUDENT)
    mesr.app[SIMULATED_ANSWERS]["DIT"] = (500, {})
    assert await mesr(BY_NAME.id, identite("Dit", "Alix", born="2005-06-17")) == Failed("upstream_unknown")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "00420"),
        ("nom=A", "00421"),
        ("nom=A&prenom=B", "00422"),
        ("nom=A&prenom=B&dateDeNaissance=2005-06-17", "00427"),
        ("nom=A&prenom=B&dateDeNaissance=2005-06-17&sexe=m&lieuDeNaissance=Brest", "00365"),
    ],
)
def test_version_2_reports_the_first_wrong_parameter_in_the_contract_s_order(query: str, code: str) -> None:
    assert first_refusal(BY_NAME, query) == code


async def test_a_birth_abroad_is_a_country_and_none_is_fine(mesr: WorkerClient) -> None:
    abroad = "nom=LE+GOFF&prenom=Maïwenn&dateDeNaissance=2005-06-17&sexe=F"
    await typed(mesr, BY_NAME, f"{abroad}&lieuDeNaissance=99109")
    assert json.loads(mesr.received[0].body)["lieuNaissance"] == "99109"
    assert isinstance(await typed(mesr, BY_NAME, abroad), Found)


def test_three_operations_share_a_path() -> None:
    name = "api_particulier_v2_mesri_student_status"
    for operation, modality in ((BY_NAME, "identite"), (BY_INE, "ine"), (BY_SESSION, "france_connect")):
        assert (operation.path, operation.folder, operation.modality) == ("/api/v2/etudiants", name, modality)
        assert operation.france_connect_resource == "statut_etudiant"
        assert_retired(operation, f"/v3/mesri/statut_etudiant/{modality}")
    assert len({BY_NAME.id, BY_INE.id, BY_SESSION.id}) == 3
    assert set(BY_NAME.scopes) == {
        "mesri_identifiant", "mesri_identite", INITIALE, CONTINUE, "mesri_admission", "mesri_etablissements"
    }  # fmt: skip
