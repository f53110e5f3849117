"""Tests of the education ministry's worker on its simulator: its requests, and its reply to each error and to each
recorded answer."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, cast

import msgspec
import pytest
from aiohttp import ClientSession

from bouquet_men.contract import NOT_ENROLLED, UNKNOWN_PUPIL, V3, V5
from bouquet_men.personas import AGRICOLE, COLLEGE, ECOLE, LYCEE, PERSONAS, Persona, key_of
from bouquet_men.simulator import CLIENT_ID, CLIENT_SECRET, SIMULATED_ANSWERS, TOKENS, simulator
from bouquet_men.worker import worker
from bouquet_mesh.listen import listening
from bouquet_proto.failures import PERIMETER
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, Found, NotFound, Reply
from bouquet_proto.query import parse_query
from bouquet_proto.rules import RuleViolations, apply_rules
from bouquet_proto.rules.civil_status import NAME
from bouquet_worker.simulate import Fault, Received
from bouquet_worker.testing.captured_telemetry import log_text_of
from tests.providers.worker_client import RECIPIENT, SILENCE_S, TODAY, WorkerClient, data_of, identite, worker_client
from tests.support.openapi import assert_official, upstream_sample
from tests.support.reference import REFERENCE

VERSIONS = {version: f"api_particulier_v{version}_men_scolarites_with_civility" for version in (3, 4, 5)}
YEAR = "2025-2026"

MAELINE = identite("KERVADEC", "Maëline", "Anne", born="2012-03-14")
MAELINE_SAID: dict[str, Any] = {
    "identite": {"nom": "Kervadec", "prenom": "Maëline", "sexe": "F", "date_naissance": "2012-03-14"},
    "annee_scolaire": "2025",
    "est_scolarise": True,
    "statut_eleve": {"code": "ST", "libelle": "SCOLAIRE"},
    "module_elementaire_formation": {"code_mef_stat": "10010012110", "libelle": "4EME GENERALE"},
    "etablissement": {"code_uai": COLLEGE.uai, "code_ministere_tutelle": "06"},
    "est_boursier": True,
    "echelon_bourse": 3,
}
EATS_THERE = {"code": "2", "libelle": "Demi-pensionnaire dans l'établissement"}

SPOKEN_OF = identite("Belloncle", "Gaspard", born="2011-12-05", sexe="M")
"""Pupil in tests where the test itself, not the simulator's data, determines the ministry's answer."""


@pytest.fixture
async def men(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


async def by_school(men: WorkerClient, who: Identite, uai: str = COLLEGE.uai, operation: str = VERSIONS[5]) -> Reply:
    return await men(operation, who, code_etablissement=uai, annee_scolaire=YEAR)


async def reply_to(men: WorkerClient, status: int, body: Any) -> Reply:
    men.app[SIMULATED_ANSWERS][key_of("Belloncle", "Gaspard", 1, "2011-12-05")] = (status, body)
    return await by_school(men, SPOKEN_OF)


def persona_asked(persona: Persona) -> Identite:
    who = persona.who
    return identite(who.nom, who.prenom, born=who.naissance, sexe="M" if who.sexe == 1 else "F")


def calls_of(men: WorkerClient) -> list[Received]:
    return [received for received in men.received if received.path != "/token"]


# What is sent


async def test_a_search_by_school_is_a_get(men: WorkerClient) -> None:
    await by_school(men, MAELINE)
    [call] = calls_of(men)
    assert (call.method, call.path, call.body) == ("GET", "/scolarites", b"")
    assert dict(call.query) == {
        "nom": "KERVADEC",
        "prenom": "Maëline",
        "sexe": "2",
        "date-naissance": "2012-03-14",
        "code-uai": COLLEGE.uai,
        "annee-scolaire": YEAR,
        "scope": "men_statut_scolarite,men_statut_boursier,men_echelon_bourse",
    }
    assert len(call.query) == 7
    assert call.headers["X-Siret-Partenaire"] == RECIPIENT
    assert call.headers["Content-Type"] == "application/json"
    assert call.headers["Authorization"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("field", "kind", "codes"),
    [
        ("codes_bcn_departements", "departement", ("035", "022")),
        ("codes_bcn_regions", "region", ("03",)),
    ],
)
async def test_a_search_by_perimeter_is_a_post(
    men: WorkerClient, field: str, kind: str, codes: tuple[str, ...]
) -> None:
    where: dict[str, Any] = {"annee_scolaire": "2025", "degre_etablissement": "2D", field: codes}
    reply = await men(VERSIONS[5], MAELINE, **where)
    assert data_of(reply) == MAELINE_SAID | {"regime_pensionnat": EATS_THERE}
    [call] = calls_of(men)
    assert (call.method, call.path, call.query) == ("POST", "/scolarites/perimetre", ())
    assert json.loads(call.body) == {
        "nom": "KERVADEC",
        "prenom": "Maëline",
        "sexe": 2,
        "date-naissance": "2012-03-14",
        "annee-scolaire": "2025",
        "scope": "men_statut_scolarite,men_statut_boursier,men_echelon_bourse",
        "degre-etablissement": "2D",
        "type-perimetre": kind,
        "valeurs-perimetre": [*codes],
    }
    assert call.headers["X-Siret-Partenaire"] == RECIPIENT
    assert call.headers["Content-Type"] == "application/json"


async def test_the_sex_of_a_boy_is_sent_as_1(men: WorkerClient) -> None:
    await by_school(men, SPOKEN_OF)
    assert dict(calls_of(men)[0].query)["sexe"] == "1"


async def test_names_are_percent_encoded_and_nothing_else(men: WorkerClient) -> None:
    await by_school(men, identite("D'Hérouville-Le Goff", "Zoë", born="2012-03-14"))
    assert dict(calls_of(men)[0].query)["nom"] == "D'Hérouville-Le Goff"


async def test_the_token_is_asked_for_in_the_form_and_kept(men: WorkerClient) -> None:
    await by_school(men, MAELINE)
    await by_school(men, MAELINE)
    [token] = [received for received in men.received if received.path == "/token"]
    assert "Authorization" not in token.headers
    assert dict(pair.split("=") for pair in token.body.decode().split("&")) == {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "grant_type": "client_credentials",
    }


async def test_a_token_that_expires_early_is_renewed(men: WorkerClient) -> None:
    await by_school(men, MAELINE)
    men.app[TOKENS].revoke_all()
    assert isinstance(await by_school(men, MAELINE), Found)
    assert [received.path for received in men.received].count("/token") == 2


# What comes back


@pytest.mark.parametrize(("version", "extra"), [(3, {}), (4, {}), (5, {"regime_pensionnat": EATS_THERE})])
async def test_each_version_shows_its_fields(men: WorkerClient, version: int, extra: dict[str, Any]) -> None:
    data = data_of(await by_school(men, MAELINE, operation=VERSIONS[version]))
    assert data == MAELINE_SAID | extra
    assert_official(VERSIONS[version], data)


@pytest.mark.parametrize(
    ("nom", "shown"),
    [
        ("Tissandreau", (True, 6, "3", "Interne dans l'établissement")),
        ("Fontauzard", (False, None, "0", "Externe libre")),
        ("Trescarpe", (False, None, "6", "Demi-pensionnaire hors l'établissement")),
        ("Vaudremont", (False, None, None, None)),
    ],
)
async def test_scholarship_and_regime_may_be_unknown(men: WorkerClient, nom: str, shown: tuple[Any, ...]) -> None:
    persona = next(persona for persona in PERSONAS if persona.who.nom == nom)
    data = data_of(await by_school(men, persona_asked(persona), persona.school.uai))
    regime = data["regime_pensionnat"] or {"code": None, "libelle": None}
    assert (data["est_boursier"], data["echelon_bourse"], regime["code"], regime["libelle"]) == shown


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.who.nom)
async def test_whoever_is_enrolled_is_shown_as_the_document_says(men: WorkerClient, persona: Persona) -> None:
    reply = await by_school(men, persona_asked(persona), persona.school.uai)
    if isinstance(reply, Found):
        assert_official(VERSIONS[5], data_of(reply))
    else:
        assert not (persona.scolarite or {}).get("est-scolarise")


@pytest.mark.parametrize(
    ("nom", "reason"),
    [("Brissonnet", NOT_ENROLLED), ("Lagardelle", UNKNOWN_PUPIL)],
)
async def test_a_pupil_without_schooling_is_told_apart(men: WorkerClient, nom: str, reason: str) -> None:
    persona = next(persona for persona in PERSONAS if persona.who.nom == nom)
    assert await by_school(men, persona_asked(persona), persona.school.uai) == NotFound(reason)


@pytest.mark.parametrize("uai", [LYCEE.uai, AGRICOLE.uai, ECOLE.uai, "0359999X"])
async def test_a_search_at_another_school_does_not_find_the_pupil(men: WorkerClient, uai: str) -> None:
    assert await by_school(men, MAELINE, uai) == NotFound(UNKNOWN_PUPIL)


@pytest.mark.parametrize(
    ("degree", "codes"),
    [("1D", ("035",)), ("2D", ("056",))],
)
async def test_a_perimeter_has_its_limits(men: WorkerClient, degree: str, codes: tuple[str, ...]) -> None:
    reply = await men(
        VERSIONS[5], MAELINE, annee_scolaire=YEAR, degre_etablissement=degree, codes_bcn_departements=codes
    )
    assert reply == NotFound(UNKNOWN_PUPIL)


# What goes wrong (docs/reference/upstreams/men.md §4)

FILE: dict[str, Any] = {
    "identification": {
        "nom": "BELLONCLE",
        "prenom": "gaspard",
        "sexe": 1,
        "date-naissance": "2011-12-05",
        "etablissement": {"code-uai": "0359417N"},
        "annee-scolaire": "2025",
    },
    "info-scolarite": {"est-scolarise": True, "statut-eleve": {"code": "ST", "libelle": "SCOLAIRE"}},
}


@pytest.mark.parametrize(
    ("status", "reply"),
    [
        (500, Failed("upstream_internal")),
        (502, Failed("upstream_unavailable")),
        (503, Failed("upstream_unavailable")),
        (504, Failed("upstream_timeout")),
        (307, Failed("upstream_redirected")),
        *((status, Failed("upstream_unknown")) for status in (201, 204, 206, 400, 401, 403, 404, 409, 422, 429, 501)),
    ],
)
async def test_every_status_has_its_reply(men: WorkerClient, status: int, reply: Reply) -> None:
    assert await reply_to(men, status, {}) == reply


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ({"title": "Un service web répond avec une erreur", "status": "NOT_FOUND"}, NotFound(UNKNOWN_PUPIL)),
        ({"title": "L'élève est hors périmètre", "status": "FORBIDDEN"}, NotFound(UNKNOWN_PUPIL)),
        ({"title": "Not Found", "status": 404, "type": "about:blank"}, Failed("upstream_unknown")),
        ({"timestamp": "2026-04-15T08:00:00Z", "status": 404, "path": "/v9"}, Failed("upstream_unknown")),
    ],
)
async def test_an_absence_is_the_ministry_s_own_word(men: WorkerClient, body: dict[str, Any], reply: Reply) -> None:
    assert await reply_to(men, 404, body) == reply


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "$.info-scolarite"),
        ([], "$"),
        (FILE | {"info-scolarite": {}}, "$.info-scolarite.est-scolarise"),
        (FILE | {"info-scolarite": {"est-scolarise": "certainement"}}, "$.info-scolarite.est-scolarise"),
        (FILE | {"info-scolarite": {"est-scolarise": True}}, "$.info-scolarite.statut-eleve"),
        (FILE | {"identification": {}}, "$.identification.nom"),
        (FILE | {"identification": FILE["identification"] | {"sexe": "M"}}, "$.identification.sexe"),
        (FILE | {"info-bourse": {"niveau-bourse": "3"}}, "$.info-bourse.niveau-bourse"),
    ],
)
async def test_a_missing_or_wrong_field_is_named_and_never_quoted(
    men: WorkerClient, caplog: pytest.LogCaptureFixture, body: Any, field: str
) -> None:
    with caplog.at_level(logging.INFO):
        assert await reply_to(men, 200, body) == Failed("upstream_malformed")
    assert field in [getattr(record, "field", "") for record in caplog.records]
    said = "".join(map(log_text_of, caplog.records))
    assert not [word for word in ("BELLONCLE", "gaspard", "2011-12-05", "certainement") if word in said]


async def test_keys_that_the_first_interface_does_not_have_are_null(men: WorkerClient) -> None:
    data = data_of(await reply_to(men, 200, FILE))
    assert data["module_elementaire_formation"] == {"code_mef_stat": None, "libelle": None}
    assert data["etablissement"] == {"code_uai": "0359417N", "code_ministere_tutelle": None}
    assert (data["est_boursier"], data["echelon_bourse"], data["regime_pensionnat"]) == (None, None, None)


@pytest.mark.parametrize(("code", "sexe"), [(1, "M"), (2, "F"), (0, None), (3, None), (None, None)])
async def test_a_sex_that_the_ministry_does_not_tell_is_not_made_up(
    men: WorkerClient, code: int | None, sexe: str | None
) -> None:
    pupil = FILE["identification"] | {"sexe": code}
    assert data_of(await reply_to(men, 200, FILE | {"identification": pupil}))["identite"]["sexe"] == sexe


async def test_a_regime_that_the_nomenclature_does_not_have_is_shown_without_label(men: WorkerClient) -> None:
    schooling = FILE["info-scolarite"] | {"code-regime": "9"}
    data = data_of(await reply_to(men, 200, FILE | {"info-scolarite": schooling}))
    assert data["regime_pensionnat"] == {"code": "9", "libelle": None}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (Fault.INTERNAL.name, "upstream_internal"),
        (Fault.RATE_LIMITED.name, "upstream_unknown"),
        (Fault.UNAVAILABLE.name, "upstream_unavailable"),
        (Fault.GATEWAY_TIMEOUT.name, "upstream_timeout"),
        (Fault.HTML.name, "upstream_malformed"),
        (Fault.TRUNCATED.name, "upstream_malformed"),
        (Fault.EMPTY.name, "upstream_malformed"),
        (Fault.REDIRECT.name, "upstream_redirected"),
        (Fault.CUT.name, "upstream_timeout"),
        (HTTPStatus.FORBIDDEN.name, "upstream_unknown"),
    ],
)
async def test_every_fault_of_the_ministry_is_a_failure(men: WorkerClient, name: str, reason: str) -> None:
    who = identite(f"PANNE-{name.replace('_', '-')}", "Alix", born="2012-03-14")
    assert await by_school(men, who) == Failed(reason)


async def test_a_silent_ministry_ends_with_the_deadline(men: WorkerClient) -> None:
    who = identite("PANNE-SLOW", "Alix", born="2012-03-14")
    reply = await men(VERSIONS[5], who, within_s=SILENCE_S, code_etablissement=COLLEGE.uai, annee_scolaire=YEAR)
    assert reply == Failed("upstream_timeout")


# Recorded answers

WITHOUT_SCHOLARSHIP = {"est_boursier": None, "echelon_bourse": None}
RECORDED: dict[str, dict[str, Any] | NotFound] = {
    "valid.json": {"est_boursier": False, "echelon_bourse": None},
    "valid_with_bourse.json": {"est_boursier": True, "echelon_bourse": 1},
    "unknown_bourse.json": WITHOUT_SCHOLARSHIP,
    "valid_v2.json": WITHOUT_SCHOLARSHIP,
    "valid_v2_with_bourse.json": {
        "identite": {"nom": "Martin", "prenom": "Camille", "sexe": "M", "date_naissance": "2007-07-07"},
        "annee_scolaire": "2023",
        "est_scolarise": True,
        "statut_eleve": {"code": "ST", "libelle": "SCOLAIRE"},
        "module_elementaire_formation": {"code_mef_stat": "211324099991", "libelle": "1CAP1 STAFFEUR ORNEMANISTE"},
        "etablissement": {"code_uai": "0890003V", "code_ministere_tutelle": "06"},
        "est_boursier": True,
        "echelon_bourse": 2,
        "regime_pensionnat": {"code": "0", "libelle": "Externe libre"},
    },
    "with_no_scolarite.json": NotFound(NOT_ENROLLED),
    "not_found.json": NotFound(UNKNOWN_PUPIL),
}


@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_answer_is_understood(men: WorkerClient, name: str) -> None:
    expected = RECORDED[name]
    body = json.loads(upstream_sample(f"men/scolarites/{name}"))
    reply = await reply_to(men, 404 if name == "not_found.json" else 200, body)
    if isinstance(expected, NotFound):
        assert reply == expected
        return
    data = data_of(reply)
    assert data | expected == data
    # The document does not allow for a scholarship that nobody knows of, though its text does
    # (docs/reference/contract.md §1.6.7).
    known = data["est_boursier"] is not None
    assert_official(VERSIONS[5], data if known else data | {"est_boursier": False})


async def test_the_simulated_token_is_like_the_recorded_one() -> None:
    recorded = json.loads(upstream_sample("men/scolarites/authenticate.json"))
    form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "client_credentials"}
    async with (
        listening(simulator.app(), "127.0.0.1", 0) as url,
        ClientSession(url) as client,
        client.post("/token", data=form) as answer,
    ):
        assert await answer.json() | {"access_token": ""} == recorded | {"access_token": ""}


def test_every_recorded_answer_is_in_the_table() -> None:
    upstream_sample("men/scolarites/valid.json")
    names = {path.name for path in (REFERENCE / "upstream" / "men").rglob("*.json")}
    assert names == {*RECORDED, "authenticate.json"}


# What is offered


def test_the_offer_speaks_for_the_ministry() -> None:
    offer = worker.offer()
    assert (offer.provider, offer.authority.label, offer.authority.prefix) == ("men", "MEN", "30")
    assert [(one.id, one.path) for one in offer.operations] == [
        *((VERSIONS[version], f"/v{version}/men/scolarites/identite") for version in (3, 4, 5)),
        ("api_particulier_v2_men_scolarites", "/api/v2/scolarites"),
    ]
    assert {one.cache_s for one in offer.operations} == {0}


CIVILITY = (
    "nomNaissance=KERVADEC&prenoms[]=Maëline&prenoms[]=Anne&sexeEtatCivil=f"
    "&anneeDateNaissance=2012&moisDateNaissance=03&jourDateNaissance=14&anneeScolaire=2025-2026"
)


@pytest.mark.parametrize(
    "where",
    [
        f"codeEtablissement={COLLEGE.uai}",
        "degreEtablissement=2D&codesBcnDepartements[]=022&codesBcnDepartements[]=035",
        "degreEtablissement=2D&codesBcnRegions[]=03",
    ],
)
async def test_what_the_rules_read_is_what_the_ministry_is_asked(men: WorkerClient, where: str) -> None:
    values = apply_rules(V5.operation.checks, parse_query(f"{CIVILITY}&{where}"), TODAY)
    assert not isinstance(values, RuleViolations)
    who = msgspec.convert({key: values.pop(key) for key in Identite.__struct_fields__ if key in values}, Identite)
    data_of(await men(VERSIONS[5], who, **cast(dict[str, Any], values)))


def test_every_wrong_field_is_told_at_once() -> None:
    refused = apply_rules(V5.operation.checks, parse_query("codeEtablissement=12"), TODAY)
    assert refused == RuleViolations(("00420", "00421", "00422", "00427", "00410", "00411"))


def test_only_the_last_version_stays() -> None:
    retirements = [one.retirement for one in worker.offer().operations]
    assert [retirement.successor if retirement else None for retirement in retirements] == [
        V5.operation.path,
        V5.operation.path,
        None,
        V5.operation.path,  # of version 2
    ]


def test_not_found_texts_are_the_contracts() -> None:
    unknown, not_enrolled = worker.offer().problems[UNKNOWN_PUPIL], worker.offer().problems[NOT_ENROLLED]
    assert (unknown.code, unknown.title, unknown.v2_reason) == ("003", "Entité non trouvée", "Student not found")
    assert unknown.detail == "Aucun élève n'a pu être trouvé avec les critères de recherche fournis" + PERIMETER
    assert (not_enrolled.code, not_enrolled.title) == ("404", "Scolarité non trouvée")
    assert not_enrolled.detail == "Aucune scolarité n'a pu être trouvée pour cet élève"


def test_every_field_has_its_scope() -> None:
    assert V3.operation.fields.keys() == V3.operation.schema["properties"].keys()
    assert V5.operation.fields.keys() == V5.operation.schema["properties"].keys()
    assert {scope for scopes in V5.operation.fields.values() for scope in scopes} == {*V5.operation.scopes}


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.who.nom)
def test_a_persona_can_be_named_under_the_contract(persona: Persona) -> None:
    assert NAME.fullmatch(persona.who.nom)
