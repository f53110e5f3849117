"""Tests of five entitlements in version 2. Answers have a status and a start date; an end date, if any, is always
null."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bouquet_dss.personas import SignedAnswer
from bouquet_dss.simulator import SIMULATED_ANSWERS, simulator
from bouquet_dss.worker import PRESTATIONS, worker
from bouquet_gateway.errors.problems import Problem, render
from bouquet_hub.personas import File, person_asked_for
from bouquet_hub.request import query_of
from bouquet_proto.messages import Rejected
from bouquet_proto.quotient_familial import PROBLEMS as QUOTIENT_PROBLEMS
from bouquet_proto.quotient_familial import UNIDENTIFIED
from tests.providers.v2 import assert_retired, first_refusal, shown, typed
from tests.providers.worker_client import WorkerClient, identite, worker_client
from tests.support.openapi import assert_official, upstream_sample

RESOURCES = {
    "c2s": "complementaire_sante_solidaire",
    "rsa": "revenu_solidarite_active",
    "ppa": "prime_activite",
    "aah": "allocation_adulte_handicape",
    "asf": "allocation_soutien_familial",
}
BY_NAME = {name: PRESTATIONS[name].published[2].operation for name in RESOURCES}
BY_SESSION = {name: PRESTATIONS[name].published[3].operation for name in RESOURCES}

CIVILITY = (
    "nomNaissance={}&prenoms[]=Anne&anneeDateDeNaissance=1989&moisDateDeNaissance=6&jourDateDeNaissance=14&sexe=F"
    "&codePaysLieuDeNaissance=99100&codeInseeLieuDeNaissance=29019"
)
_DAY = "2025-09-01"
SHOWN: dict[tuple[str, str], dict[str, Any]] = {
    ("c2s", "FOUND"): {"status": "beneficiaire_avec_participation_financiere", "dateDebut": _DAY, "dateFin": None},
    ("rsa", "FOUND"): {"status": "beneficiaire", "dateDebut": _DAY, "dateFin": None, "majoration": True},
    ("ppa", "FOUND"): {"status": "beneficiaire", "dateDebut": _DAY, "dateFin": None, "majoration": True},
    ("aah", "FOUND"): {"status": "beneficiaire", "dateDebut": _DAY},
    ("asf", "FOUND"): {"status": "beneficiaire", "dateDebut": _DAY, "dateFin": None},
    ("c2s", "NOT-ENTITLED"): {"status": "non_beneficiaire_css", "dateDebut": None, "dateFin": None},
    ("rsa", "NOT-ENTITLED"): {"status": "non_beneficiaire", "dateDebut": None, "dateFin": None, "majoration": None},
    ("ppa", "NOT-ENTITLED"): {"status": "non_beneficiaire", "dateDebut": None, "dateFin": None, "majoration": None},
    ("aah", "NOT-ENTITLED"): {"status": "non_beneficiaire", "dateDebut": None},
    ("asf", "NOT-ENTITLED"): {"status": "non_beneficiaire", "dateDebut": None, "dateFin": None},
}


@pytest.fixture
async def dss(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


@pytest.mark.parametrize(("name", "word"), SHOWN)
async def test_a_right_is_shown_as_the_contract_says(dss: WorkerClient, name: str, word: str) -> None:
    data = shown(await typed(dss, BY_NAME[name], CIVILITY.format(f"MSA-{word}")), BY_NAME[name])
    assert data == SHOWN[name, word]
    assert_official(BY_NAME[name].folder, data)


@pytest.mark.parametrize("name", RESOURCES)
async def test_france_connect_asks_and_shows_as_civil_status_does(dss: WorkerClient, name: str) -> None:
    who = identite("MSA-FOUND", "Anne")
    assert shown(await dss(BY_SESSION[name].id, who), BY_SESSION[name]) == SHOWN[name, "FOUND"]
    await typed(dss, BY_NAME[name], CIVILITY.format("MSA-FOUND"))
    assert dss.received[-1].query == dss.received[-2].query


@pytest.mark.parametrize("name", ["rsa", "ppa"])
async def test_an_increase_has_a_scope_of_its_own(dss: WorkerClient, name: str) -> None:
    scope, operation = RESOURCES[name], BY_NAME[name]
    reply = await typed(dss, operation, CIVILITY.format("MSA-FOUND"))
    assert shown(reply, operation, scope).keys() == {"status", "dateDebut", "dateFin"}
    assert shown(reply, operation, f"{scope}_majoration").keys() == {"majoration"}
    assert operation.scopes == (scope, f"{scope}_majoration")


@pytest.mark.parametrize("name", ["c2s", "aah", "asf"])
def test_one_scope_opens_the_others_whole(name: str) -> None:
    operation = BY_NAME[name]
    assert operation.scopes == (RESOURCES[name],)
    assert {*operation.fields.values()} == {operation.scopes}


@pytest.mark.parametrize("name", RESOURCES)
async def test_a_recorded_answer_is_shown(dss: WorkerClient, name: str) -> None:
    recorded = json.loads(upstream_sample(f"cnav/{RESOURCES[name]}/make_request_valid.json"))
    who = identite("Dite", "Anne")
    dss.app[SIMULATED_ANSWERS][name, person_asked_for(query_of(who))] = SignedAnswer(File(recorded), "00810011")
    data = shown(await dss(BY_NAME[name].id, who), BY_NAME[name])
    assert_official(BY_NAME[name].folder, data)
    assert (data["status"], data["dateDebut"]) == (recorded["indicateur"].lower(), recorded["dateIndicateur"])


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "00400"),
        ("sexe=X", "00427"),
        ("sexe=F", "00400"),
        ("codePaysLieuDeNaissance=99100&codeInseeLieuDeNaissance=Brest", "00365"),
        ("sexe=F&codePaysLieuDeNaissance=99216&anneeDateDeNaissance=1800&moisDateDeNaissance=13", "00363"),
        ("sexe=F&codePaysLieuDeNaissance=99216&prenoms=A", "00367"),
        ("sexe=F&codePaysLieuDeNaissance=99216", "00420"),
        ("codePaysLieuDeNaissance=99216&nomNaissance=A&nomUsage=B2", "00426"),
        ("sexeEtatCivil=X&codeCogInseePaysNaissance=99216&nomNaissance=A", "00400"),
    ],
)
def test_version_2_reports_the_first_wrong_parameter_in_the_contract_s_order(query: str, code: str) -> None:
    assert {first_refusal(operation, query) for operation in BY_NAME.values()} == {code}


async def test_a_place_of_birth_is_shown_by_name(dss: WorkerClient) -> None:
    place = "&nomCommuneNaissance=Brest&codeInseeDepartementNaissance=29"
    await typed(dss, BY_NAME["aah"], CIVILITY.format("DITE").replace("&codeInseeLieuDeNaissance=29019", place))
    asked = dict(dss.received[-1].query)
    assert (asked["villeNaissance"], asked["depNaissance"], "codeLieuNaissance" in asked) == ("Brest", "29", False)


def test_whom_nobody_can_identify_is_a_wrong_request_here_and_a_not_found_in_the_quotient() -> None:
    """Tests that version 2 reports an unidentified person as `bad_request` in the operations of the DSS worker, but as
    `not_found` in the quotient familial (docs/reference/contract.md §1.6.1, §3.1)."""
    problem = Problem.of(Rejected(UNIDENTIFIED), worker.offer().authority)
    bodies = [render(problem, own, "v2") for own in (worker.offer().problems, QUOTIENT_PROBLEMS)]
    assert [(status, json.loads(body)["error"]) for status, body in bodies] == [
        (400, "bad_request"),
        (400, "not_found"),
    ]


@pytest.mark.parametrize("name", RESOURCES)
def test_two_operations_share_a_path(name: str) -> None:
    resource = RESOURCES[name]
    for operation, modality in ((BY_NAME[name], "identite"), (BY_SESSION[name], "france_connect")):
        assert (operation.path, operation.modality) == (f"/api/v2/{resource.replace('_', '-')}", modality)
        assert operation.folder == f"api_particulier_v2_cnav_{resource}"
        assert (operation.france_connect_resource, operation.cache_s) == (resource, 3600)
        assert_retired(operation, f"/v3/dss/{resource}/{modality}")


def test_the_other_two_are_not_in_v2() -> None:
    assert [len(PRESTATIONS[name].published) for name in ("aeeh", "ars", "eaje")] == [2, 2, 2]
