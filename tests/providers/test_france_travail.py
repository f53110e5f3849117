"""Tests of France Travail's worker on its simulator: its requests, and its reply to each error and to each recorded
answer."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from bouquet_france_travail.contract import INDEMNITES, INDEMNITES_V2, NO_PAYMENT, NO_SITUATION, STATUT, STATUT_V2
from bouquet_france_travail.personas import LABELS, PERSONAS, Persona, SimulatedAnswer
from bouquet_france_travail.simulator import CLIENT_ID, CLIENT_SECRET, SIMULATED_ANSWERS, TOKENS, simulator
from bouquet_france_travail.worker import worker
from bouquet_proto.failures import PERIMETER
from bouquet_proto.identity import Identifiant
from bouquet_proto.messages import Failed, Found, NotFound, Reply
from bouquet_worker.simulate import Received
from bouquet_worker.testing.captured_telemetry import log_text_of
from tests.providers.faults import REASONS
from tests.providers.worker_client import SILENCE_S, TOKEN_ID, WorkerClient, data_of, worker_client
from tests.support.openapi import assert_official, upstream_sample
from tests.support.reference import REFERENCE

BOTH = (STATUT.id, INDEMNITES.id)
ABSENT = {STATUT.id: NotFound(NO_SITUATION), INDEMNITES.id: NotFound(NO_PAYMENT)}
MAELYS = "maelys.quintrand12"
SPOKEN_OF = "gaspard.vernouillat01"
"""Identifier of the jobseeker in tests where the test itself, not the simulator's data, determines France Travail's
answer."""


@pytest.fixture
async def france_travail(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


async def ask(asked: WorkerClient, operation: str, identifiant: str, **options: Any) -> Reply:
    return await asked(operation, Identifiant(identifiant=identifiant), **options)


async def reply_to(asked: WorkerClient, operation: str, status: int, body: Any = None) -> Reply:
    said = SimulatedAnswer(status, body)
    asked.app[SIMULATED_ANSWERS][SPOKEN_OF] = Persona(story="", statut=said, indemnites=said)
    return await ask(asked, operation, SPOKEN_OF)


def calls_of(asked: WorkerClient) -> list[Received]:
    return [received for received in asked.received if received.path != "/token"]


# What is sent


@pytest.mark.parametrize("identifiant", [MAELYS, 'zoé "2" d\'ham+el & fils'])
async def test_a_status_is_requested_with_the_bare_identifier_as_body(
    france_travail: WorkerClient, identifiant: str
) -> None:
    await ask(france_travail, STATUT.id, identifiant)
    [call] = calls_of(france_travail)
    assert (call.method, call.path, call.query) == ("POST", "/statut", ())
    assert call.body == identifiant.encode()
    assert call.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("identifiant", [MAELYS, 'zoé "2" d\'ham+el & fils'])
async def test_payments_are_requested_with_the_identifier_in_the_query(
    france_travail: WorkerClient, identifiant: str
) -> None:
    await ask(france_travail, INDEMNITES.id, identifiant)
    [call] = calls_of(france_travail)
    assert (call.method, call.path, call.body) == ("GET", "/indemnites", b"")
    assert call.query == (("loginMnemotechnique", identifiant),)
    assert call.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("operation", BOTH)
async def test_a_request_to_france_travail_names_the_caller(france_travail: WorkerClient, operation: str) -> None:
    await ask(france_travail, operation, MAELYS)
    [call] = calls_of(france_travail)
    assert call.headers["X-pe-consommateur"] == f"DINUM - {TOKEN_ID}"
    assert call.headers["Authorization"].startswith("Bearer ")


@pytest.mark.parametrize("operation", BOTH)
async def test_a_token_is_requested_with_every_scope_and_kept(france_travail: WorkerClient, operation: str) -> None:
    await ask(france_travail, operation, MAELYS)
    await ask(france_travail, operation, MAELYS)
    [token] = [received for received in france_travail.received if received.path == "/token"]
    assert "Authorization" not in token.headers
    assert b"+application_" in token.body
    assert parse_qs(token.body.decode()) == {
        "client_id": [CLIENT_ID],
        "client_secret": [CLIENT_SECRET],
        "grant_type": ["client_credentials"],
        "scope": [f"api_statutaugmentev1 api_liste-paiementsv1 individuStatutAugmente application_{CLIENT_ID}"],
    }


@pytest.mark.parametrize("operation", BOTH)
async def test_a_token_that_expires_early_is_renewed(france_travail: WorkerClient, operation: str) -> None:
    await ask(france_travail, operation, MAELYS)
    france_travail.app[TOKENS].revoke_all()
    assert isinstance(await ask(france_travail, operation, MAELYS), Found)


# What comes back


async def test_the_status_of_a_job_seeker_has_every_field(france_travail: WorkerClient) -> None:
    data = data_of(await ask(france_travail, STATUT.id, MAELYS))
    assert data == {
        "identifiant": MAELYS,
        "identite": {
            "civilite": "MME",
            "nom_naissance": "QUINTRAND",
            "nom_usage": "BELLONCLE",
            "prenom": "MAELYS",
            "sexe": "Féminin",
            "date_naissance": "1991-04-06",
        },
        "contact": {
            "telephone": "0600000012",
            "telephone2": "0900000012",
            "email": "maelys.quintrand@exemple.test",
        },
        "adresse": {
            "code_postal": "07200",
            "code_cog_insee_commune": "07019",
            "localite": "07200 AUBENAS",
            "ligne_voie": "18 MONTEE DE LA CHAUSSEE",
            "ligne_complement_destinataire": "APPARTEMENT 7",
            "ligne_complement_adresse": "RESIDENCE LES ROCHERS",
            "ligne_complement_distribution": "BP 21",
            "ligne_nom": "QUINTRAND",
        },
        "inscription": {
            "date_debut": "2025-02-10",
            "date_fin": None,
            "categorie": {"code": 1, "libelle": LABELS["1"]},
            "code_certification_cnav": "VC",
        },
    }
    assert_official(STATUT.id, data)


async def test_blank_fields_are_null(france_travail: WorkerClient) -> None:
    data = data_of(await ask(france_travail, STATUT.id, "gauthier.pradignac33"))
    assert data["identite"]["nom_usage"] is None
    assert data["contact"]["telephone2"] is None
    assert data["adresse"]["ligne_complement_adresse"] is None
    assert data["adresse"]["ligne_complement_destinataire"] is None
    assert data["adresse"]["ligne_complement_distribution"] is None
    assert data["inscription"]["date_fin"] == "2025-10-31"
    assert_official(STATUT.id, data)


async def test_a_failed_certification_is_shown(france_travail: WorkerClient) -> None:
    """Tests that the code `EC`, a failed certification, is shown although France Travail's list of codes lacks it
    (docs/reference/upstreams/france_travail.md §2)."""
    said = {"categorieInscription": "4", "codeCertificationCNAV": "EC"}
    data = data_of(await reply_to(france_travail, STATUT.id, 200, said))
    assert data["inscription"]["code_certification_cnav"] == "EC"


async def test_no_address_is_one_of_nulls(france_travail: WorkerClient) -> None:
    data = data_of(await reply_to(france_travail, STATUT.id, 200, {"categorieInscription": "4"}))
    assert set(data["adresse"].values()) == {None}


@pytest.mark.parametrize("identifiant", PERSONAS)
async def test_every_found_person_fits_the_official_document(france_travail: WorkerClient, identifiant: str) -> None:
    replies = {operation: await ask(france_travail, operation, identifiant) for operation in BOTH}
    for operation, reply in replies.items():
        if isinstance(reply, Found):
            assert_official(operation, data_of(reply))
    healthy = not identifiant.startswith("panne")
    assert healthy or not any(isinstance(reply, Found) for reply in replies.values())


@pytest.mark.parametrize("blank", ["", " ", "\n\t ", None])
async def test_every_blank_field_is_null(france_travail: WorkerClient, blank: str | None) -> None:
    keys = ("civilite", "nom", "nomUsage", "prenom", "sexe", "dateNaissance", "email", "telephone", "telephone2")
    certain = {"categorieInscription": "4", "libellecategorieInscription": blank, "codeCertificationCNAV": blank}
    dates = {"dateInscription": blank, "dateCessationInscription": blank}
    data = data_of(await reply_to(france_travail, STATUT.id, 200, {**dict.fromkeys(keys, blank), **certain, **dates}))
    assert {*data["identite"].values(), *data["contact"].values(), *data["adresse"].values()} == {None}
    assert data["inscription"] == {
        "date_debut": None,
        "date_fin": None,
        "categorie": {"code": 4, "libelle": None},
        "code_certification_cnav": None,
    }


async def test_payments_are_shown_in_their_order(france_travail: WorkerClient) -> None:
    data = data_of(await ask(france_travail, INDEMNITES.id, MAELYS))
    names = ("date_versement", "montant_total", "montant_allocations", "montant_aides", "montant_autres")
    assert data == {
        "identifiant": MAELYS,
        "paiements": [
            dict(zip(names, ("2026-02-03", 1084.37, 1084.37, 0.0, 0.0), strict=True)),
            dict(zip(names, ("2026-03-03", 1259.97, 979.43, 128.14, 152.4), strict=True)),
        ],
    }
    assert_official(INDEMNITES.id, data)


@pytest.mark.parametrize("operation", BOTH)
async def test_an_unknown_identifier_is_an_absence(france_travail: WorkerClient, operation: str) -> None:
    assert await ask(france_travail, operation, f'"{MAELYS}"') == ABSENT[operation]


# What goes wrong (docs/reference/upstreams/france_travail.md §4)

LATE = "Erreur technique : java.util.concurrent.TimeoutException"
UNKNOWN = Failed("upstream_unknown")
MALFORMED = Failed("upstream_malformed")
TIMEOUT = Failed("upstream_timeout")
UNAVAILABLE = Failed("upstream_unavailable")

SITUATIONS: tuple[tuple[int, Any, Reply | None, Reply | None], ...] = (
    # status, body, reply of statut, reply of indemnités; `None`: nobody
    (404, {"codeErreur": "404", "messageLog": "Individu inconnu de nos services"}, None, None),
    (404, None, UNKNOWN, UNKNOWN),
    (206, {"nom": "VERNOUILLAT"}, None, UNKNOWN),
    (206, {"statutInscription": True, "listePaiement": []}, None, UNKNOWN),
    (204, None, UNKNOWN, None),
    (200, {"statutInscription": True, "listePaiement": []}, MALFORMED, None),
    (200, {"statutInscription": False, "listePaiement": []}, MALFORMED, None),
    (200, {"statutInscription": None, "listePaiement": []}, MALFORMED, None),
    (200, {"statutInscription": True}, MALFORMED, MALFORMED),
    (200, {"statutInscription": True, "listePaiement": None}, MALFORMED, MALFORMED),
    (200, {"listePaiement": []}, MALFORMED, MALFORMED),
    (200, {}, MALFORMED, MALFORMED),
    (200, [], MALFORMED, MALFORMED),
    (200, "OK", MALFORMED, MALFORMED),
    (500, {"codeErreur": "01", "messageLog": LATE}, TIMEOUT, TIMEOUT),
    (500, {"codeErreur": "02", "messageLog": "Erreur technique"}, UNKNOWN, UNKNOWN),
    (500, {"codeErreur": LATE, "messageLog": None}, UNKNOWN, UNKNOWN),
    (500, {}, UNKNOWN, UNKNOWN),
    (500, LATE, UNKNOWN, UNKNOWN),
    (500, None, UNKNOWN, UNKNOWN),
    (502, {"messageLog": LATE}, UNAVAILABLE, UNAVAILABLE),
    (503, None, UNAVAILABLE, UNAVAILABLE),
    (504, None, TIMEOUT, TIMEOUT),
    (302, None, Failed("upstream_redirected"), Failed("upstream_redirected")),
    *((status, {"messageLog": LATE}, UNKNOWN, UNKNOWN) for status in (201, 400, 401, 403, 409, 429, 501)),
)


@pytest.mark.parametrize(("status", "body", "statut", "indemnites"), SITUATIONS)
async def test_every_situation_has_its_reply(
    france_travail: WorkerClient, status: int, body: Any, statut: Reply | None, indemnites: Reply | None
) -> None:
    replies = {operation: await reply_to(france_travail, operation, status, body) for operation in BOTH}
    assert replies == {
        STATUT.id: statut or ABSENT[STATUT.id],
        INDEMNITES.id: indemnites or ABSENT[INDEMNITES.id],
    }


@pytest.mark.parametrize(
    ("operation", "body", "field"),
    [
        (STATUT.id, {"nom": "VERNOUILLAT"}, "$.categorieInscription"),
        (STATUT.id, {"nom": "VERNOUILLAT", "categorieInscription": " "}, "$.categorieInscription"),
        (STATUT.id, {"nom": "VERNOUILLAT", "categorieInscription": "A"}, "$.categorieInscription"),
        (STATUT.id, {"categorieInscription": "1", "dateNaissance": "27/08/1993"}, "$.dateNaissance"),
        (STATUT.id, {"categorieInscription": "1", "adresse": "VERNOUILLAT"}, "$.adresse"),
        (INDEMNITES.id, {"listePaiement": []}, "$.statutInscription"),
        (INDEMNITES.id, {"statutInscription": True}, "$.listePaiement"),
        (INDEMNITES.id, {"statutInscription": True, "listePaiement": [{}]}, "$.listePaiement[0].datePaiement"),
    ],
)
async def test_a_missing_or_wrong_field_is_named_and_never_quoted(
    france_travail: WorkerClient, caplog: pytest.LogCaptureFixture, operation: str, body: Any, field: str
) -> None:
    with caplog.at_level(logging.INFO):
        assert await reply_to(france_travail, operation, 200, body) == MALFORMED
    assert field in [getattr(record, "field", "") for record in caplog.records]
    said = "".join(map(log_text_of, caplog.records))
    assert not [word for word in ("VERNOUILLAT", SPOKEN_OF, "27/08/1993") if word in said]


@pytest.mark.parametrize(
    ("identifiant", "reason"),
    [
        ("panne.attente", "upstream_timeout"),
        ("panne.technique", "upstream_unknown"),
        ("panne.croisee", "upstream_unknown"),
        ("panne.incomplete", "upstream_malformed"),
        ("panne.types", "upstream_malformed"),
        *((f"panne-{ill.name.replace('_', '-').lower()}", reason) for ill, reason in REASONS.items()),
    ],
)
async def test_every_fault_of_france_travail_is_a_failure(
    france_travail: WorkerClient, identifiant: str, reason: str
) -> None:
    replies = [await ask(france_travail, operation, identifiant) for operation in BOTH]
    assert replies == [Failed(reason)] * 2


@pytest.mark.parametrize("operation", BOTH)
async def test_a_silent_france_travail_ends_with_the_deadline(france_travail: WorkerClient, operation: str) -> None:
    assert await ask(france_travail, operation, "panne-slow", within_s=SILENCE_S) == TIMEOUT


# Recorded answers

RECORDED: dict[str, tuple[str, int, dict[str, Any] | Reply]] = {
    "statut/valid.json": (
        STATUT.id,
        200,
        {
            "identite": {
                "civilite": "M.",
                "nom_naissance": "DUPONT",
                "nom_usage": None,
                "prenom": "JEAN",
                "sexe": "Masculin",
                "date_naissance": "1990-01-01",
            },
            "contact": {"telephone": "0636656565", "telephone2": None, "email": "jean.dupont@france.fr"},
            "inscription": {
                "date_debut": "2020-01-01",
                "date_fin": None,
                "categorie": {"code": 1, "libelle": LABELS["1"]},
                "code_certification_cnav": "VC",
            },
        },
    ),
    "statut/not_found.json": (STATUT.id, 404, NotFound(NO_SITUATION)),
    "partial_content.json": (STATUT.id, 206, NotFound(NO_SITUATION)),
    "timeout.json": (STATUT.id, 500, TIMEOUT),
    "indemnites/valid.json": (
        INDEMNITES.id,
        200,
        {
            "paiements": [
                {
                    "date_versement": "2023-07-03",
                    "montant_total": 123.4,
                    "montant_allocations": 123.4,
                    "montant_aides": 0.0,
                    "montant_autres": 0.0,
                }
            ]
        },
    ),
    "indemnites/enrolled_without_payments.json": (INDEMNITES.id, 200, NotFound(NO_PAYMENT)),
    "indemnites/not_enrolled.json": (INDEMNITES.id, 200, NotFound(NO_PAYMENT)),
}


@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_answer_is_understood(france_travail: WorkerClient, name: str) -> None:
    operation, status, expected = RECORDED[name]
    reply = await reply_to(france_travail, operation, status, json.loads(upstream_sample(f"france_travail/{name}")))
    if not isinstance(expected, dict):
        assert reply == expected
        return
    data = data_of(reply)
    assert data | expected | {"identifiant": SPOKEN_OF} == data
    assert_official(operation, data)


def test_every_recorded_answer_is_in_the_table() -> None:
    upstream_sample("france_travail/timeout.json")
    folder = REFERENCE / "upstream" / "france_travail"
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.json")} == {*RECORDED}


# What is offered


def test_the_offer_speaks_for_france_travail() -> None:
    offer = worker.offer()
    assert (offer.provider, offer.authority.label, offer.authority.prefix) == ("france_travail", "France Travail", "24")
    assert offer.operations == (STATUT, STATUT_V2.operation, INDEMNITES, INDEMNITES_V2.operation)
    assert {one.cache_s for one in offer.operations} == {0}


def test_both_apis_answer_alike_for_an_unknown_person_but_in_version_2() -> None:
    situation, payment = worker.offer().problems[NO_SITUATION], worker.offer().problems[NO_PAYMENT]
    assert (situation.code, situation.title, situation.detail) == (payment.code, payment.title, payment.detail)
    assert (situation.code, situation.title) == ("003", "Entité non trouvée")
    assert situation.detail == (
        "Aucune situation France Travail n'a pu être trouvée avec les critères de recherche fournis" + PERIMETER
    )
    assert (situation.v2_reason, payment.v2_reason) == ("Situation not found", "")


def test_the_identifier_is_closed_in_one_and_open_in_the_other() -> None:
    assert STATUT.fields.keys() == STATUT.schema["properties"].keys()
    assert INDEMNITES.schema["properties"].keys() - INDEMNITES.fields.keys() == {"identifiant"}


def test_personas_tell_their_story() -> None:
    assert all(persona.story for persona in PERSONAS.values())
