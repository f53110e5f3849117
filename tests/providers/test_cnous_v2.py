"""Tests of scholarships in version 2: the data are at the top level, with the status of the grant."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bouquet_cnous.contract import (
    FRANCE_CONNECT_V2,
    IDENTITE_V2,
    INE_V2,
    NO_SCHOLARSHIP,
    SEVERAL,
    WRONG_IDENTITY,
    WRONG_INE,
)
from bouquet_cnous.personas import BAD_REQUEST
from bouquet_cnous.simulator import SIMULATED_ANSWERS, simulator
from bouquet_cnous.worker import worker
from bouquet_proto.messages import NotFound, Rejected
from tests.providers import worker_client
from tests.providers.v2 import assert_retired, first_refusal, shown, typed
from tests.providers.worker_client import WorkerClient, identite
from tests.support.openapi import upstream_sample

BY_NAME, BY_INE, BY_SESSION = IDENTITE_V2.operation, INE_V2.operation, FRANCE_CONNECT_V2.operation

MAIWENN: dict[str, Any] = {
    "nom": "LE GOFF",
    "prenom": "Maïwenn",
    "prenom2": "Rozenn",
    "dateNaissance": "2005-06-17",
    "lieuNaissance": "Concarneau",
    "sexe": "F",
    "email": "050617293hk@etudiant.invalid",
    "boursier": True,
    "echelonBourse": "5",
    "statut": 0,
    "statutLibelle": "définitif",
    "dateDeRentree": "2025-09-01",
    "dureeVersement": 10,
    "villeEtudes": "BREST",
    "etablissement": "UFR DES SCIENCES SIMULEES",
}
DIT = identite("Dit", "Alix", born="2005-06-17")


@pytest.fixture
async def cnous(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client.worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


async def test_a_scholarship_is_shown_flat(cnous: WorkerClient) -> None:
    query = "nom=LE+GOFF&prenoms=Maïwenn+Rozenn&dateDeNaissance=2005-06-17&sexe=f&lieuDeNaissance=29039"
    assert shown(await typed(cnous, BY_NAME, query), BY_NAME) == MAIWENN
    assert json.loads(cnous.received[-1].body) == {
        "lastName": "LE GOFF",
        "firstNames": "Maïwenn, Rozenn",
        "birthDate": "17/06/2005",
        "birthPlace": "29039",
        "civility": "F",
    }


async def test_an_ine_is_enough(cnous: WorkerClient) -> None:
    assert shown(await typed(cnous, BY_INE, "ine=050617293HK"), BY_INE) == MAIWENN


async def test_france_connect_shows_the_identity_too(cnous: WorkerClient) -> None:
    who = identite("LE GOFF", "Maïwenn", "Rozenn", born="2005-06-17", commune="29039")
    assert shown(await cnous(BY_SESSION.id, who), BY_SESSION) == MAIWENN


@pytest.mark.parametrize("place", ["Concarneau", "29039"])
async def test_a_birth_place_is_sent_as_typed(cnous: WorkerClient, place: str) -> None:
    await typed(cnous, BY_NAME, f"nom=X&prenoms=Y&dateDeNaissance=2005-06-17&lieuDeNaissance={place}")
    assert json.loads(cnous.received[-1].body)["birthPlace"] == place


@pytest.mark.parametrize(
    ("grant", "label"),
    [(0, "définitif"), (1, "provisoire (conditionnel)"), (2, "provisoire (conditionnel)"), (None, None)],
)
async def test_the_status_of_a_grant_has_its_label(cnous: WorkerClient, grant: int | None, label: str | None) -> None:
    cnous.app[SIMULATED_ANSWERS]["DIT"] = (200, {"lastName": "DIT", "boursier": True, "grantStatus": grant})
    data = shown(await cnous(BY_NAME.id, DIT), BY_NAME)
    assert (data["statut"], data["statutLibelle"]) == (grant, label)


async def test_what_cnous_does_not_tell_is_null(cnous: WorkerClient) -> None:
    cnous.app[SIMULATED_ANSWERS]["DIT"] = (200, {"lastName": "DIT", "boursier": False})
    data = shown(await cnous(BY_NAME.id, DIT), BY_NAME)
    assert data == dict.fromkeys(MAIWENN) | {"nom": "DIT", "boursier": False}


SCOPES = {
    "cnous_identite": {"nom", "prenom", "prenom2", "dateNaissance", "lieuNaissance", "sexe"},
    "cnous_email": {"email"},
    "cnous_statut_boursier": {"boursier"},
    "cnous_echelon_bourse": {"echelonBourse"},
    "cnous_statut_bourse": {"statut", "statutLibelle"},
    "cnous_periode_versement": {"dateDeRentree", "dureeVersement"},
    "cnous_ville_etudes": {"villeEtudes", "etablissement"},
}


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_scope_opens_its_fields(cnous: WorkerClient, scope: str) -> None:
    assert shown(await typed(cnous, BY_INE, "ine=050617293HK"), BY_INE, scope).keys() == SCOPES[scope]


async def test_a_recorded_answer_is_shown(cnous: WorkerClient) -> None:
    recorded = json.loads(upstream_sample("cnous/student_scholarship_valid_response.json"))
    cnous.app[SIMULATED_ANSWERS]["DIT"] = (200, recorded)
    data = shown(await cnous(BY_NAME.id, DIT), BY_NAME)
    assert data.keys() == MAIWENN.keys()
    assert (data["nom"], data["statut"]) == (recorded["lastName"], recorded["grantStatus"])


async def test_what_goes_wrong_is_what_goes_wrong_from_v3_on(cnous: WorkerClient) -> None:
    assert await typed(cnous, BY_INE, "ine=1234567890G") == NotFound(NO_SCHOLARSHIP)
    cnous.app[SIMULATED_ANSWERS]["DIT"] = (400, BAD_REQUEST)
    assert await cnous(BY_NAME.id, DIT) == Rejected(WRONG_IDENTITY)
    cnous.app[SIMULATED_ANSWERS]["DIT"] = (200, [{"lastName": "DIT", "boursier": True}] * 2)
    assert await cnous(BY_NAME.id, DIT) == Rejected(SEVERAL)
    assert (WRONG_INE in BY_INE.reasons, WRONG_IDENTITY in BY_INE.reasons) == (True, False)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "00420"),
        ("nom=A", "00421"),
        ("nom=A&prenoms[]=B", "00421"),
        ("nom=A&prenoms=B", "00422"),
        ("nom=A&prenoms=B&dateDeNaissance=2005", "00423"),
    ],
)
def test_version_2_reports_the_first_wrong_parameter_in_the_contract_s_order(query: str, code: str) -> None:
    assert first_refusal(BY_NAME, query) == code


def test_three_operations_share_a_path() -> None:
    name = "api_particulier_v2_cnous_student_scholarship"
    for operation, modality in ((BY_NAME, "identite"), (BY_INE, "ine"), (BY_SESSION, "france_connect")):
        assert (operation.path, operation.folder, operation.modality) == ("/api/v2/etudiants-boursiers", name, modality)
        assert operation.france_connect_resource == "etudiant_boursier"
        assert_retired(operation, f"/v5/cnous/etudiant_boursier/{modality}")
    assert len({BY_NAME.id, BY_INE.id, BY_SESSION.id}) == 3
    assert set(BY_NAME.scopes) == SCOPES.keys()
