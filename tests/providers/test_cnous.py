"""Tests of the Cnous's worker on its simulator: its requests, and its reply to each error and to each recorded
answer."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from bouquet_cnous import contract
from bouquet_cnous.contract import FIELDS, NO_SCHOLARSHIP, SEVERAL, WRONG_IDENTITY, WRONG_INE
from bouquet_cnous.personas import STUDENTS, record_of
from bouquet_cnous.simulator import CLIENT_ID, CLIENT_SECRET, SIMULATED_ANSWERS, TOKENS, simulator
from bouquet_cnous.worker import worker
from bouquet_proto import identity, rules
from bouquet_proto.failures import PERIMETER
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, Found, NotFound, Rejected, Reply
from bouquet_proto.query import parse_query
from bouquet_worker.simulate import Received
from bouquet_worker.simulated_faults import INES, NAMES, as_ine
from bouquet_worker.testing.captured_telemetry import log_text_of
from tests.providers import worker_client
from tests.providers.places import MAIWENN, SENT_BY_CODE, UNRESOLVED, named_place
from tests.providers.worker_client import WorkerClient, data_of, identite
from tests.support.openapi import assert_official, upstream_sample
from tests.support.reference import REFERENCE

BY_NAME_V3, BY_NAME_V4, BY_NAME = (shown.operation.id for shown in contract.IDENTITE)
BY_INE_V3, BY_INE_V4, BY_INE = (shown.operation.id for shown in contract.INE)
BY_FRANCE_CONNECT_V3, BY_FRANCE_CONNECT_V4, BY_FRANCE_CONNECT = (
    shown.operation.id for shown in contract.FRANCE_CONNECT
)

MAIWENN_INE = identity.Ine(ine="050617293HK")
IDENTITY: dict[str, Any] = {
    "nom": "LE GOFF",
    "prenoms": ["Maïwenn", "Rozenn"],
    "date_naissance": "2005-06-17",
    "nom_commune_naissance": "Concarneau",
    "sexe": "F",
}
SCHOLARSHIP: dict[str, Any] = {
    "email": "050617293hk@etudiant.invalid",
    "echelon_bourse": {"echelon": "5", "echelon_bourse_regionale_provisoire": False},
    "periode_versement_bourse": {"date_rentree": "2025-09-01", "duree": 10},
    "etablissement_etudes": {"nom_commune": "BREST", "nom_etablissement": "UFR DES SCIENCES SIMULEES"},
}
V3 = {"est_boursier": True}
V4 = {"statut_boursier": {"est_boursier": True, "est_radie": False, "date_radiation": None}}
V5 = V4 | {"ine": "050617293HK"}


@pytest.fixture
async def cnous(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client.worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


def calls_of(cnous: WorkerClient) -> list[Received]:
    return [received for received in cnous.received if received.path != "/token"]


def named(nom: str) -> Identite:
    return identite(nom, "Alix", born="2005-06-17")


# What is sent (docs/reference/upstreams/cnous.md §1-2)


async def test_the_token_is_asked_for_with_an_empty_body_and_kept(cnous: WorkerClient) -> None:
    await cnous(BY_NAME, MAIWENN)
    await cnous(BY_INE, MAIWENN_INE)
    [token] = [received for received in cnous.received if received.path == "/token"]
    pair = b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    assert (token.method, token.query, token.body) == ("POST", (), b"")
    assert token.headers["Authorization"] == f"Basic {pair}"
    assert token.headers["Accept"] == "application/json"
    assert "Content-Type" not in token.headers


async def test_a_search_by_civil_status(cnous: WorkerClient) -> None:
    await cnous(BY_NAME, MAIWENN, campaign_year=2024)
    [call] = calls_of(cnous)
    assert (call.method, call.path, call.query) == ("POST", "/v1/boursier/donnees-pivots", ())
    assert json.loads(call.body) == {
        "lastName": "LE GOFF",
        "firstNames": "Maïwenn, Rozenn",
        "birthDate": "17/06/2005",
        "birthPlace": "29039",
        "civility": "F",
        "campaignYear": 2024,
    }
    assert call.headers["Authorization"].startswith("Bearer ")
    assert call.headers["Content-Type"] == "application/json"


async def test_what_is_not_known_of_a_person_is_left_out(cnous: WorkerClient) -> None:
    await cnous(BY_NAME, replace(named_place(), sexe_etat_civil=None))
    assert json.loads(calls_of(cnous)[0].body) == {
        "lastName": "LE GOFF",
        "firstNames": "Maïwenn, Rozenn",
        "birthDate": "17/06/2005",
    }


async def test_france_connect_is_a_get_with_a_body(cnous: WorkerClient) -> None:
    await cnous(BY_FRANCE_CONNECT, MAIWENN, campaign_year=2024)
    [call] = calls_of(cnous)
    assert (call.method, call.path, call.query) == ("GET", "/v1/boursier/find", ())
    assert json.loads(call.body) == {
        "given_name": "Maïwenn, Rozenn",
        "family_name": "LE GOFF",
        "birthdate": "17/06/2005",
        "birthplace": "29039",
        "gender": "F",
        "campaignYear": 2024,
    }
    assert call.headers["Content-Type"] == "application/json"


async def test_france_connect_says_that_somebody_was_born_abroad(cnous: WorkerClient) -> None:
    await cnous(BY_FRANCE_CONNECT, named_place())
    body = json.loads(calls_of(cnous)[0].body)
    assert body["birthplace"] == ""
    assert "campaignYear" not in body


@pytest.mark.parametrize(("parameters", "query"), [({}, ()), ({"campaign_year": 2024}, (("campaignYear", "2024"),))])
async def test_an_ine_is_in_the_path_in_upper_case(
    cnous: WorkerClient, parameters: dict[str, int], query: tuple[tuple[str, str], ...]
) -> None:
    await cnous(BY_INE, identity.Ine(ine="050617293hk"), **parameters)
    [call] = calls_of(cnous)
    assert (call.method, call.path, call.query, call.body) == ("GET", "/v1/boursier/050617293HK", query, b"")
    assert "Content-Type" not in call.headers


@pytest.mark.parametrize(("who", "sent"), SENT_BY_CODE)
async def test_a_birth_place_is_sent_by_its_code(cnous: WorkerClient, who: Identite, sent: str | None) -> None:
    assert isinstance(await cnous(BY_NAME, who), Found)
    assert json.loads(calls_of(cnous)[0].body).get("birthPlace") == sent


@pytest.mark.parametrize("who", UNRESOLVED)
async def test_a_place_that_is_not_resolved_is_told_and_nobody_is_asked(cnous: WorkerClient, who: Identite) -> None:
    assert await cnous(BY_NAME, who) == Rejected("00365")
    assert calls_of(cnous) == []


async def test_a_token_that_expires_early_is_renewed(cnous: WorkerClient) -> None:
    await cnous(BY_INE, MAIWENN_INE)
    cnous.app[TOKENS].revoke_all()
    assert isinstance(await cnous(BY_INE, MAIWENN_INE), Found)
    assert [received.path for received in cnous.received].count("/token") == 2


# What comes back (docs/reference/upstreams/cnous.md §3)


@pytest.mark.parametrize(
    ("operation", "who", "shown"),
    [
        (BY_NAME_V3, MAIWENN, {"identite": IDENTITY} | V3),
        (BY_INE_V3, MAIWENN_INE, {"identite": IDENTITY} | V3),
        (BY_FRANCE_CONNECT_V3, MAIWENN, V3),
        (BY_NAME_V4, MAIWENN, {"identite": IDENTITY} | V4),
        (BY_INE_V4, MAIWENN_INE, {"identite": IDENTITY} | V4),
        (BY_FRANCE_CONNECT_V4, MAIWENN, V4),
        (BY_NAME, MAIWENN, {"identite": IDENTITY} | V5),
        (BY_INE, MAIWENN_INE, {"identite": IDENTITY} | V5),
        (BY_FRANCE_CONNECT, MAIWENN, V5),
    ],
)
async def test_each_operation_shows_its_fields(
    cnous: WorkerClient, operation: str, who: identity.Identity, shown: dict[str, Any]
) -> None:
    data = data_of(await cnous(operation, who))
    assert data == SCHOLARSHIP | shown
    assert_official(operation, data)


@pytest.mark.parametrize("student", STUDENTS, ids=lambda student: student.ine)
async def test_everybody_in_the_simulator_is_found_three_ways(cnous: WorkerClient, student: Any) -> None:
    who = identite(student.nom, *student.prenoms, born=f"{student.naissance}", sexe=student.sexe)
    who = replace(who, code_cog_insee_commune_naissance=student.commune or None)
    by_ine = data_of(await cnous(BY_INE, identity.Ine(ine=student.ine)))
    assert data_of(await cnous(BY_NAME, who)) == by_ine
    assert_official(BY_NAME, by_ine)
    del by_ine["identite"]
    assert data_of(await cnous(BY_FRANCE_CONNECT, who)) == by_ine


@pytest.mark.parametrize(
    ("ine", "campaign_year", "told"),
    [
        ("050617293HK", None, ("5", "2025-09-01")),
        ("050617293HK", 2025, ("5", "2025-09-01")),
        ("050617293HK", 2024, ("6", "2024-09-01")),
        ("050617293HK", 2023, ("0bis", "2023-09-01")),
        ("050617293HK", 2022, None),
        ("2904A10573T", None, ("7", "2024-09-01")),
        ("2904A10573T", 2025, None),
    ],
)
async def test_a_campaign_is_that_of_its_year_or_the_latest(
    cnous: WorkerClient, ine: str, campaign_year: int | None, told: tuple[str, str] | None
) -> None:
    parameters = {} if campaign_year is None else {"campaign_year": campaign_year}
    reply = await cnous(BY_INE_V3, identity.Ine(ine=ine), **parameters)
    if told is None:
        assert reply == NotFound(NO_SCHOLARSHIP)
    else:
        data = data_of(reply)
        assert (data["echelon_bourse"]["echelon"], data["periode_versement_bourse"]["date_rentree"]) == told


async def test_who_was_struck_off_still_held_a_scholarship(cnous: WorkerClient) -> None:
    data = data_of(await cnous(BY_INE, identity.Ine(ine="070301294JA")))
    assert data["statut_boursier"] == {"est_boursier": True, "est_radie": True, "date_radiation": "2025-09-01"}
    assert data["identite"]["prenoms"] == ["Gwendal"]
    assert_official(BY_INE, data)


async def test_a_regional_scholarship_is_provisional_and_two_first_names_are_enough(cnous: WorkerClient) -> None:
    data = data_of(await cnous(BY_INE, identity.Ine(ine="060911642BC")))
    assert data["echelon_bourse"] == {"echelon": "2", "echelon_bourse_regionale_provisoire": True}
    assert data["identite"]["prenoms"] == ["Xan", "Peio"]
    assert data["identite"]["nom_commune_naissance"] == "Bayonne"
    assert_official(BY_INE, data)


UNTOLD = (
    *("firstName", "firstName2", "birthDate", "birthPlace", "birthPlaceLibelle", "civility", "email", "grantStatus"),
    *(
        "grantEchelon",
        "studyTown",
        "schoolName",
        "backToSchoolDate",
        "paymentDuration",
        "removed",
        "removalDate",
        "ine",
    ),
)


@pytest.mark.parametrize("untold", [{}, dict.fromkeys(UNTOLD)], ids=["absent", "null"])
async def test_what_cnous_does_not_tell_is_null(cnous: WorkerClient, untold: dict[str, None]) -> None:
    cnous.app[SIMULATED_ANSWERS]["DIT"] = (200, {"lastName": "DIT", "boursier": False, **untold})
    assert data_of(await cnous(BY_NAME, named("Dit"))) == {
        "ine": None,
        "identite": {
            "nom": "DIT",
            "prenoms": [],
            "date_naissance": None,
            "nom_commune_naissance": None,
            "sexe": None,
        },
        "email": None,
        "statut_boursier": {"est_boursier": False, "est_radie": None, "date_radiation": None},
        "echelon_bourse": {"echelon": None, "echelon_bourse_regionale_provisoire": None},
        "periode_versement_bourse": {"date_rentree": None, "duree": None},
        "etablissement_etudes": {"nom_commune": None, "nom_etablissement": None},
    }


MARTIN: dict[str, Any] = {
    "ine": "012345678GD",
    "identite": {
        "nom": "Martin",
        "prenoms": ["Camille", "Noé"],
        "date_naissance": "1980-11-14",  # at midnight in Paris, so the day before in UTC
        "nom_commune_naissance": "La Crèche",
        "sexe": "M",
    },
    "email": "camille.martin@example.org",
    "statut_boursier": {"est_boursier": True, "est_radie": False, "date_radiation": None},
    "echelon_bourse": {"echelon": "5", "echelon_bourse_regionale_provisoire": False},
    "periode_versement_bourse": {"date_rentree": "2020-09-01", "duree": 12},
    "etablissement_etudes": {"nom_commune": "MONTPELLIER", "nom_etablissement": "UFR SCIENCES TECHNOLOG SANTE"},
}
STRUCK_OFF = {"statut_boursier": {"est_boursier": True, "est_radie": True, "date_radiation": "2023-06-15"}}
RECORDED: dict[str, tuple[int, Reply | dict[str, Any]]] = {
    "student_scholarship_valid_response.json": (200, MARTIN),
    "student_scholarship_valid_response_without_birthplace.json": (200, MARTIN),
    "student_scholarship_valid_response_removed.json": (200, MARTIN | STRUCK_OFF),
    "student_scholarship_not_found.json": (404, NotFound(NO_SCHOLARSHIP)),
    "student_scholarship_bad_request.json": (400, Rejected(WRONG_IDENTITY)),
}


@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_answer_is_understood(cnous: WorkerClient, name: str) -> None:
    status, expected = RECORDED[name]
    cnous.app[SIMULATED_ANSWERS]["DIT"] = (status, json.loads(upstream_sample(f"cnous/{name}")))
    reply = await cnous(BY_NAME, named("Dit"))
    if not isinstance(expected, dict):
        assert reply == expected
        return
    assert data_of(reply) == expected
    assert_official(BY_NAME, data_of(reply))


def test_every_recorded_answer_is_in_the_table() -> None:
    upstream_sample("cnous/student_scholarship_not_found.json")
    assert {path.name for path in (REFERENCE / "upstream" / "cnous").rglob("*.json")} == RECORDED.keys()


async def test_a_simulated_record_has_the_keys_of_a_recorded_one(cnous: WorkerClient) -> None:
    recorded = json.loads(upstream_sample("cnous/student_scholarship_valid_response.json"))
    for student in STUDENTS:
        record = record_of(student, None, worker_client.TODAY)
        assert record
        assert record.keys() == recorded.keys()
        assert record["campaign"].keys() == recorded["campaign"].keys()


# What goes wrong (docs/reference/upstreams/cnous.md §4)

REASON_OF_FAULT = {  # bouquet_worker.simulated_faults
    "INTERNAL": "upstream_internal",
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
ODD: dict[str, Reply] = {
    "HOMONYME": Rejected(SEVERAL),
    "LISTE-VIDE": Failed("upstream_malformed"),
    "REPONSE-NULLE": Failed("upstream_malformed"),
    "SANS-NOM": Failed("upstream_malformed"),
    "INCONNU-EN-LISTE": NotFound(NO_SCHOLARSHIP),
}
WRONG: list[tuple[str, identity.Identity, Reply]] = [
    *((BY_NAME, named(nom), Failed(REASON_OF_FAULT[fault.name])) for nom, fault in NAMES.items()),
    *((BY_FRANCE_CONNECT, named(nom), Failed(REASON_OF_FAULT[fault.name])) for nom, fault in NAMES.items()),
    *((BY_INE, identity.Ine(ine=ine), Failed(REASON_OF_FAULT[fault.name])) for ine, fault in INES.items()),
    *((BY_NAME, named(nom), reply) for nom, reply in ODD.items()),
    *((BY_FRANCE_CONNECT, named(nom), reply) for nom, reply in ODD.items()),
    *((BY_INE, identity.Ine(ine=as_ine(nom)), reply) for nom, reply in ODD.items()),
    (BY_NAME, named("REFUS"), Rejected(WRONG_IDENTITY)),
    (BY_FRANCE_CONNECT, named("REFUS"), Rejected(WRONG_IDENTITY)),
    (BY_INE, identity.Ine(ine=as_ine("REFUS")), Rejected(WRONG_INE)),
    (BY_NAME, named("Inconnu"), NotFound(NO_SCHOLARSHIP)),
    (BY_NAME, replace(MAIWENN, sexe_etat_civil="M"), NotFound(NO_SCHOLARSHIP)),
    (BY_NAME, replace(MAIWENN, code_cog_insee_commune_naissance="29019"), NotFound(NO_SCHOLARSHIP)),
    (BY_FRANCE_CONNECT, named("Inconnu"), NotFound(NO_SCHOLARSHIP)),
    (BY_INE, identity.Ine(ine="1234567890G"), NotFound(NO_SCHOLARSHIP)),
]


@pytest.mark.parametrize(("operation", "who", "reply"), WRONG)
async def test_what_goes_wrong_has_its_reply(
    cnous: WorkerClient, operation: str, who: identity.Identity, reply: Reply
) -> None:
    within_s = worker_client.SILENCE_S if reply == Failed("upstream_timeout") else worker_client.PATIENCE_S
    assert await cnous(operation, who, within_s=within_s) == reply


@pytest.mark.parametrize("status", [201, 204, 206, 400, 401, 403, 409, 413, 422, 429, 501])
async def test_no_other_status_is_understood(cnous: WorkerClient, status: int) -> None:
    cnous.app[SIMULATED_ANSWERS]["DIT"] = (status, {"lastName": "DIT", "boursier": True})
    assert await cnous(BY_NAME, named("Dit")) == Failed("upstream_unknown")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"firstName": "CAMILLE", "boursier": True}, "$[0].lastName"),
        ({"lastName": "", "boursier": True}, "$[0].lastName"),
        ({"lastName": "CAMILLE"}, "$[0].boursier"),
        ({"lastName": "CAMILLE", "boursier": True, "birthDate": "14/11/1980"}, "$[0].birthDate"),
        ({"lastName": "CAMILLE", "boursier": True, "grantStatus": "CAMILLE"}, "$[0].grantStatus"),
        ([], "$"),
    ],
)
async def test_a_missing_or_wrong_field_is_named_and_never_quoted(
    cnous: WorkerClient, caplog: pytest.LogCaptureFixture, body: Any, field: str
) -> None:
    cnous.app[SIMULATED_ANSWERS]["DIT"] = (200, body)
    with caplog.at_level(logging.INFO):
        assert await cnous(BY_NAME, named("Dit")) == Failed("upstream_malformed")
    assert field in [getattr(record, "field", "") for record in caplog.records]
    said = "".join(map(log_text_of, caplog.records))
    assert not [word for word in ("CAMILLE", "14/11/1980", "1980-11-14") if word in said]


async def test_a_client_that_cnous_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = replace(
        simulator, settings=lambda url: simulator.settings(url) | {"BOUQUET_CNOUS_CLIENT_SECRET": "other"}
    )
    async with worker_client.worker_client(worker, unknown, monkeypatch) as cnous:
        assert await cnous(BY_INE, MAIWENN_INE) == Failed("upstream_unknown")


# What is offered


def test_the_offer_is_that_of_cnous() -> None:
    offer = worker.offer()
    assert (offer.provider, offer.authority.label, offer.authority.prefix) == ("cnous", "CNOUS", "26")
    assert {operation.path for operation in offer.operations} == {
        f"/v{version}/cnous/etudiant_boursier/{modality}"
        for version in (3, 4, 5)
        for modality in ("identite", "ine", "france_connect")
    } | {"/api/v2/etudiants-boursiers"}
    assert {operation.cache_s for operation in offer.operations} == {0}
    row = offer.problems[NO_SCHOLARSHIP]
    assert (row.code, row.title, row.v2_reason) == ("003", "Entité non trouvée", "Scholarship not found")
    assert row.detail == "Aucun étudiant boursier n'a pu être trouvé avec les critères de recherche fournis" + PERIMETER


@pytest.mark.parametrize(("version", "since"), [("/v3", "2026-04-28"), ("/v4", "2026-07-21"), ("/v5", "")])
def test_version_5_supersedes_the_others(version: str, since: str) -> None:
    retirements = {one.path: one.retirement for one in worker.offer().operations if one.path.startswith(f"{version}/")}
    assert len(retirements) == 3
    for path, retirement in retirements.items():
        assert bool(retirement) is bool(since)
        if retirement:
            assert (retirement.deprecated_on, retirement.successor) == (since, path.replace(version, "/v5"))
            assert retirement.deprecated_on < retirement.sunset_on


def test_the_ine_opens_version_5_alone() -> None:
    opening = {one.path for one in worker.offer().operations if "cnous_ine" in one.scopes}
    assert opening == {f"/v5/cnous/etudiant_boursier/{way}" for way in ("identite", "ine", "france_connect")}


@pytest.mark.parametrize(
    ("published", "absent"),
    [
        (contract.IDENTITE[0], {"statut_boursier", "ine"}),
        (contract.IDENTITE[1], {"est_boursier", "ine"}),
        (contract.IDENTITE[2], {"est_boursier"}),
        (contract.FRANCE_CONNECT[0], {"statut_boursier", "identite", "ine"}),
        (contract.FRANCE_CONNECT[1], {"est_boursier", "identite", "ine"}),
        (contract.FRANCE_CONNECT[2], {"est_boursier", "identite"}),
    ],
)
def test_every_field_of_a_shape_has_its_scope(published: Any, absent: set[str]) -> None:
    operation = published.operation
    assert operation.fields == {path: FIELDS[path] for path in FIELDS if path not in absent}
    assert operation.fields.keys() == operation.schema["properties"].keys()


IDENTITY_QUERY = "nomNaissance=A&prenoms[]=B&anneeDateNaissance=2005&moisDateNaissance=6&jourDateNaissance=17"


@pytest.mark.parametrize(
    ("operation", "query", "codes"),
    [
        (contract.IDENTITE, "campaignYear=2020", ("00420", "00421", "00422")),
        (contract.IDENTITE, f"{IDENTITY_QUERY}&campaignYear=2020", ("00368",)),
        (contract.INE, "ine=1&campaignYear=2020", ("00360",)),
        (contract.INE, "ine=050617293HK&campaignYear=26", ("00368",)),
        (contract.FRANCE_CONNECT, "campaignYear=20", ("00368",)),
    ],
)
def test_a_campaign_is_looked_at_last(operation: Any, query: str, codes: tuple[str, ...]) -> None:
    for published in operation:
        refusals = rules.apply_rules(published.operation.checks, parse_query(query), worker_client.TODAY)
        assert isinstance(refusals, rules.RuleViolations)
        assert refusals.codes == codes
