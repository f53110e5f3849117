"""Tests of the higher education ministry's worker on its simulator: its requests, and its reply to each error and to
each recorded answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from bouquet_mesr.contract import (
    FIELDS,
    FRANCE_CONNECT,
    IDENTITE,
    INE,
    SEVERAL,
    UNKNOWN_STUDENT,
    WRONG_IDENTITY,
    WRONG_INE,
)
from bouquet_mesr.personas import STUDENTS, WRONG, complaint
from bouquet_mesr.simulator import IDENTITE_KEY, INE_KEY, SIMULATED_ANSWERS, simulator
from bouquet_mesr.upstream import REGIMES
from bouquet_mesr.worker import worker
from bouquet_proto import identity, rules
from bouquet_proto.failures import FAILURES, PERIMETER
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, Found, NotFound, Rejected, Reply
from bouquet_proto.query import parse_query
from bouquet_worker.simulated_faults import INES, NAMES, as_ine
from tests.providers import worker_client
from tests.providers.places import MAIWENN, SENT_BY_CODE, UNRESOLVED
from tests.providers.worker_client import TOKEN_ID, WorkerClient, data_of, identite
from tests.support.openapi import assert_official, upstream_sample
from tests.support.reference import REFERENCE

BY_NAME = IDENTITE.operation.id
BY_INE = INE.operation.id
BY_FRANCE_CONNECT = FRANCE_CONNECT.operation.id

MAIWENN_INE = identity.Ine(ine="050617293HK")
MAIWENN_SAID: dict[str, Any] = {
    "identite": {"nom_naissance": "LE GOFF", "prenom": "Maïwenn", "date_naissance": "2005-06-17"},
    "admissions": [
        {
            "date_debut": "2025-09-01",
            "date_fin": "2026-08-31",
            "est_inscrit": True,
            "regime_formation": {"libelle": "contrat d'apprentissage", "code": "RF4"},
            "code_cog_insee_commune": "29019",
            "etablissement_etudes": {"uai": "0299002L", "nom": "UFR DES SCIENCES SIMULEES DE BREST (29200)"},
        },
        {
            "date_debut": "2025-07-01",
            "date_fin": "2026-08-31",
            "est_inscrit": False,
            "regime_formation": {"libelle": "formation initiale", "code": "RF1"},
            "code_cog_insee_commune": "64445",
            "etablissement_etudes": {"uai": "0649003M", "nom": "FACULTE DE DROIT IMAGINAIRE DE PAU (64000)"},
        },
    ],
}
"""Expected data about Maïwenn, for a request on the day `asking.TODAY`."""


@pytest.fixture
async def mesr(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client.worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


def named(nom: str) -> Identite:
    return identite(nom, "Alix", born="2005-06-17")


# What is sent (docs/reference/upstreams/mesr.md §1-2)


async def test_a_search_by_civil_status(mesr: WorkerClient) -> None:
    await mesr(BY_NAME, MAIWENN)
    [call] = mesr.received
    assert (call.method, call.path, call.query) == ("POST", "/api/etudiant", ())
    assert json.loads(call.body) == {
        "nomFamille": "LE GOFF",
        "prenom1": "Maïwenn",
        "dateNaissance": "2005-06-17",
        "sexe": "2",
        "lieuNaissance": "29039",
    }
    assert call.headers["X-API-Key"] == IDENTITE_KEY
    assert call.headers["X-Caller"] == f"DINUM - {TOKEN_ID}"
    assert call.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("typed", ["050617293HK", "050617293hk"])
async def test_a_search_by_ine_is_in_upper_case(mesr: WorkerClient, typed: str) -> None:
    await mesr(BY_INE, identity.Ine(ine=typed))
    [call] = mesr.received
    assert (call.method, call.path, call.query) == ("GET", "/api/etudiant", (("INE", "050617293HK"),))
    assert call.body == b""
    assert call.headers["X-API-Key"] == INE_KEY
    assert call.headers["X-Caller"] == f"DINUM - {TOKEN_ID}"
    assert "Content-Type" not in call.headers


async def test_france_connect_asks_as_civil_status_does(mesr: WorkerClient) -> None:
    await mesr(BY_NAME, MAIWENN)
    await mesr(BY_FRANCE_CONNECT, MAIWENN)
    first, second = mesr.received
    assert (first.method, first.body) == (second.method, second.body)


@pytest.mark.parametrize(("sexe", "sent"), [("M", "1"), ("F", "2")])
async def test_a_sex_is_a_digit_in_a_text(mesr: WorkerClient, sexe: str, sent: str) -> None:
    await mesr(BY_NAME, identite("LE GOFF", "Gwendal", sexe=sexe))
    assert json.loads(mesr.received[0].body)["sexe"] == sent


@pytest.mark.parametrize(("who", "sent"), SENT_BY_CODE)
async def test_a_birth_place_is_sent_by_its_code(mesr: WorkerClient, who: Identite, sent: str | None) -> None:
    assert isinstance(await mesr(BY_NAME, who), Found)
    assert json.loads(mesr.received[0].body).get("lieuNaissance") == sent


@pytest.mark.parametrize("who", UNRESOLVED)
async def test_a_place_that_is_not_resolved_is_told_and_nobody_is_asked(mesr: WorkerClient, who: Identite) -> None:
    assert await mesr(BY_NAME, who) == Rejected("00365")
    assert mesr.received == []


# What comes back (docs/reference/upstreams/mesr.md §3)


@pytest.mark.parametrize(("operation", "who"), [(BY_NAME, MAIWENN), (BY_INE, MAIWENN_INE)])
async def test_a_student_is_shown_as_the_contract_says(
    mesr: WorkerClient, operation: str, who: identity.Identity
) -> None:
    data = data_of(await mesr(operation, who))
    assert data == MAIWENN_SAID
    assert_official(operation, data)


async def test_france_connect_shows_no_identity(mesr: WorkerClient) -> None:
    data = data_of(await mesr(BY_FRANCE_CONNECT, MAIWENN))
    assert data == {"admissions": MAIWENN_SAID["admissions"]}
    assert_official(BY_FRANCE_CONNECT, data)


@pytest.mark.parametrize("student", STUDENTS, ids=lambda student: student.ine)
async def test_every_simulated_student_is_found_by_ine_and_by_civil_status(mesr: WorkerClient, student: Any) -> None:
    who = identite(student.nom, student.prenom, born=student.naissance, sexe="M" if student.sexe == "1" else "F")
    by_name = data_of(await mesr(BY_NAME, replace(who, code_cog_insee_commune_naissance=student.commune)))
    assert by_name == data_of(await mesr(BY_INE, identity.Ine(ine=student.ine)))
    assert len(by_name["admissions"]) == len(student.registrations or ())
    assert_official(BY_NAME, by_name)


async def test_without_registration_there_is_no_admission(mesr: WorkerClient) -> None:
    data = data_of(await mesr(BY_INE, identity.Ine(ine="2904A10573T")))
    assert data["admissions"] == []
    assert_official(BY_INE, data)


@pytest.mark.parametrize(("regime", "code"), [*REGIMES.items(), ("microcertification", None), (None, None)])
async def test_every_regime_has_its_code(mesr: WorkerClient, regime: str | None, code: str | None) -> None:
    mesr.app[SIMULATED_ANSWERS]["DIT"] = (200, {"nomFamille": "DIT", "inscriptions": [{"regime": regime}]})
    [admission] = data_of(await mesr(BY_NAME, named("Dit")))["admissions"]
    assert admission["regime_formation"] == {"libelle": regime, "code": code}


async def test_what_the_ministry_does_not_tell_is_null(mesr: WorkerClient) -> None:
    mesr.app[SIMULATED_ANSWERS]["DIT"] = (200, {"nomFamille": "DIT", "inscriptions": [{}]})
    assert data_of(await mesr(BY_NAME, named("Dit"))) == {
        "identite": {"nom_naissance": "DIT", "prenom": None, "date_naissance": None},
        "admissions": [
            {
                "date_debut": None,
                "date_fin": None,
                "est_inscrit": None,
                "regime_formation": {"libelle": None, "code": None},
                "code_cog_insee_commune": None,
                "etablissement_etudes": {"uai": None, "nom": None},
            }
        ],
    }


RECORDED: dict[str, tuple[int, Reply | list[tuple[bool, str]]]] = {
    "statut_etudiant/valid.json": (200, [(True, "RF1"), (False, "RF1")]),
    "student_status/with_civility_valid_response.json": (200, [(True, "RF1")]),
    "student_status/with_ine_valid_response.json": (200, [(True, "RF1")]),
    "student_status/with_ine_valid_response_with_admis_statut.json": (200, [(False, "RF1")]),
    "student_status/with_ine_valid_and_new_regime.json": (200, [(True, "RF4")]),
    "statut_etudiant/not_found.json": (400, Rejected(WRONG_IDENTITY)),  # in spite of its name
    "student_status/with_ine_invalid_ine_response.json": (400, Rejected(WRONG_IDENTITY)),
    "student_status/with_ine_not_found_response.json": (404, NotFound(UNKNOWN_STUDENT)),
    "student_status/with_civility_not_found_response.json": (404, NotFound(UNKNOWN_STUDENT)),
}
"""HTTP status of each recorded answer, and the reply that the worker must make of it. A list stands for a reply with
data: it holds `est_inscrit` and the regime's code for each enrolment."""


@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_answer_is_understood(mesr: WorkerClient, name: str) -> None:
    status, expected = RECORDED[name]
    mesr.app[SIMULATED_ANSWERS]["DIT"] = (status, json.loads(upstream_sample(f"mesri/{name}")))
    reply = await mesr(BY_NAME, named("Dit"))
    if not isinstance(expected, list):
        assert reply == expected
        return
    data = data_of(reply)
    assert_official(BY_NAME, data)
    assert data["identite"] == {"nom_naissance": "Dupont", "prenom": "Jean", "date_naissance": "2000-01-01"}
    assert [(shown["est_inscrit"], shown["regime_formation"]["code"]) for shown in data["admissions"]] == expected
    assert {key: data["admissions"][0][key] for key in ("date_debut", "date_fin", "code_cog_insee_commune")} == {
        "date_debut": "2020-07-01",
        "date_fin": "2021-08-31",
        "code_cog_insee_commune": "75113",
    }
    assert data["admissions"][0]["etablissement_etudes"] == {
        "uai": "0751967F",
        "nom": "UFR ECONOMIE UNIVERSITE PARIS 1 (75634)",
    }


def test_every_recorded_answer_is_in_the_table() -> None:
    upstream_sample("mesri/statut_etudiant/valid.json")
    folder = REFERENCE / "upstream" / "mesri"
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.json")} == RECORDED.keys()


# What goes wrong (docs/reference/upstreams/mesr.md §4)

REASON_OF_FAULT = {  # bouquet_worker.simulated_faults
    "INTERNAL": "upstream_unknown",
    "RATE_LIMITED": "upstream_unknown",
    "UNAVAILABLE": "upstream_unavailable",
    "GATEWAY_TIMEOUT": "upstream_timeout",
    "HTML": "upstream_malformed",
    "TRUNCATED": "upstream_malformed",
    "EMPTY": "upstream_malformed",
    "REDIRECT": "upstream_redirected",
    "SLOW": "upstream_timeout",
    "CUT": "upstream_timeout",
    "UNAUTHORIZED": "upstream_unknown",
    "FORBIDDEN": "upstream_unknown",
    "CONFLICT": "upstream_unknown",
}
ODD = {
    "REPONSE-NULLE": "upstream_malformed",
    "SANS-NOM": "upstream_malformed",
}


TROUBLED = [
    *((BY_NAME, named(nom), REASON_OF_FAULT[fault.name]) for nom, fault in NAMES.items()),
    *((BY_INE, identity.Ine(ine=ine), REASON_OF_FAULT[fault.name]) for ine, fault in INES.items()),
    *((BY_NAME, named(nom), reason) for nom, reason in ODD.items()),
    *((BY_INE, identity.Ine(ine=as_ine(nom)), reason) for nom, reason in ODD.items()),
]


@pytest.mark.parametrize(("operation", "who", "reason"), TROUBLED)
async def test_a_fault_of_the_ministry_is_no_absence(
    mesr: WorkerClient, operation: str, who: identity.Identity, reason: str
) -> None:
    within_s = worker_client.SILENCE_S if reason == "upstream_timeout" else worker_client.PATIENCE_S
    assert await mesr(operation, who, within_s=within_s) == Failed(reason)


@pytest.mark.parametrize(
    ("operation", "who"),
    [
        (BY_NAME, named("Inconnu")),
        # The ping's (docs/reference/upstreams/shared.md §7).
        (BY_NAME, identite("Dupont", "Jean", born="2000-01-01", sexe="M", commune="")),
        (BY_NAME, replace(MAIWENN, prenoms=("Soazig",))),
        (BY_NAME, replace(MAIWENN, code_cog_insee_commune_naissance="29019")),
        (BY_FRANCE_CONNECT, named("Inconnu")),
        (BY_INE, identity.Ine(ine="1234567890G")),
    ],
)
async def test_an_unknown_person_is_an_absence(mesr: WorkerClient, operation: str, who: identity.Identity) -> None:
    assert await mesr(operation, who) == NotFound(UNKNOWN_STUDENT)


@pytest.mark.parametrize("status", [201, 204, 400, 401, 403, 409, 422, 429, 500, 501])
async def test_no_status_but_two_is_understood_without_the_ministry_s_own_words(
    mesr: WorkerClient, status: int
) -> None:
    mesr.app[SIMULATED_ANSWERS]["DIT"] = (status, {"nomFamille": "DIT"})
    assert await mesr(BY_NAME, named("Dit")) == Failed("upstream_unknown")


# By status, with the ministry's own words: of an INE, of a person, and whose fault it is.
REFUSED = """
400  identifier_refused  civil_status_refused  caller
401  upstream_unknown    upstream_unknown      provider
403  upstream_unknown    upstream_unknown      provider
409  upstream_unknown    identity_ambiguous    caller
422  upstream_unknown    upstream_unknown      provider
429  upstream_unknown    upstream_unknown      provider
500  upstream_unknown    upstream_unknown      provider
"""


@pytest.mark.parametrize(
    ("status", "of_an_ine", "of_a_person", "fault"), [row.split() for row in REFUSED.strip().splitlines()]
)
async def test_a_refusal_is_understood_by_its_status(
    mesr: WorkerClient, status: str, of_an_ine: str, of_a_person: str, fault: str
) -> None:
    ine = identity.Ine(ine="1234567890G")
    mesr.app[SIMULATED_ANSWERS]["DIT"] = mesr.app[SIMULATED_ANSWERS][ine.ine] = (int(status), complaint("GET", WRONG))
    for reply, reason in ((await mesr(BY_INE, ine), of_an_ine), (await mesr(BY_NAME, named("Dit")), of_a_person)):
        assert reply == (Failed(reason) if FAILURES[reason].fault == "provider" else Rejected(reason))
    assert FAILURES[of_a_person].fault == fault


async def test_a_wrong_api_key_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    swapped = replace(simulator, settings=lambda url: simulator.settings(url) | {"BOUQUET_MESR_INE_KEY": IDENTITE_KEY})
    async with worker_client.worker_client(worker, swapped, monkeypatch) as mesr:
        assert await mesr(BY_INE, MAIWENN_INE) == Failed("upstream_unknown")
        assert isinstance(await mesr(BY_NAME, MAIWENN), Found)


async def test_the_academic_year_follows_the_calendar(mesr: WorkerClient) -> None:
    [admission, _] = data_of(await mesr(BY_INE, MAIWENN_INE))["admissions"]
    assert admission["date_debut"] <= worker_client.TODAY.isoformat() <= admission["date_fin"]


# What is offered


def test_the_offer_is_the_ministrys() -> None:
    offer = worker.offer()
    assert (offer.provider, offer.authority.label, offer.authority.prefix) == ("mesr", "MESRI", "25")
    assert {operation.path for operation in offer.operations} == {
        "/api/v2/etudiants",
        *(f"/v3/mesri/statut_etudiant/{modality}" for modality in ("identite", "ine", "france_connect")),
    }
    assert {operation.cache_s for operation in offer.operations} == {0}
    row = offer.problems[UNKNOWN_STUDENT]
    assert (row.code, row.title, row.v2_reason) == ("003", "Entité non trouvée", "Student not found")
    assert row.detail == "Aucun étudiant n'a pu être trouvé avec les critères de recherche fournis" + PERIMETER
    assert {(operation.modality == "ine", operation.reasons) for operation in offer.operations} == {
        (True, (UNKNOWN_STUDENT, WRONG_INE)),
        (False, (UNKNOWN_STUDENT, WRONG_IDENTITY, SEVERAL)),
    }


def test_the_identity_has_its_scope_and_france_connect_no_identity() -> None:
    assert IDENTITE.operation.fields == INE.operation.fields == FIELDS
    assert FRANCE_CONNECT.operation.fields == {path: FIELDS[path] for path in FIELDS if path != "identite"}


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ("", ("00420", "00421", "00422", "00427")),
        (
            "nomNaissance=A&prenoms[]=B&anneeDateNaissance=2005&moisDateNaissance=2&jourDateNaissance=30",
            ("00425", "00427"),
        ),
    ],
)
def test_every_wrong_field_is_told_at_once(query: str, codes: tuple[str, ...]) -> None:
    refusals = rules.apply_rules(IDENTITE.operation.checks, parse_query(query), worker_client.TODAY)
    assert isinstance(refusals, rules.RuleViolations)
    assert refusals.codes == codes
