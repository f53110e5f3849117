"""Tests of the Sport Data Hub's worker on its simulator: its requests, the status that it publishes, and its reply to
each error and to the recorded answer."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import pytest

from bouquet_proto.failures import PERIMETER
from bouquet_proto.identity import Identifiant
from bouquet_proto.messages import Failed, Found, NotFound, Reply
from bouquet_sdh.contract import STATUT_SPORTIF, UNKNOWN_ATHLETE
from bouquet_sdh.personas import PERSONAS
from bouquet_sdh.simulator import CLIENT_ID, CLIENT_SECRET, SIMULATED_ANSWERS, TOKENS, simulator
from bouquet_sdh.worker import worker
from bouquet_worker.simulate import Fault, Received
from bouquet_worker.testing.captured_telemetry import log_text_of
from tests.providers.faults import REASONS
from tests.providers.worker_client import SILENCE_S, TODAY, WorkerClient, data_of, worker_client
from tests.support.openapi import assert_official, upstream_sample
from tests.support.reference import REFERENCE

NOLWENN = "290114"
SPOKEN_OF = "500777"
"""Number of the athlete in tests where the test itself, not the simulator's data, determines the answer."""


@pytest.fixture
async def sdh(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


async def ask(sdh: WorkerClient, number: str, **options: Any) -> Reply:
    return await sdh(STATUT_SPORTIF.id, Identifiant(identifiant=number), **options)


async def reply_to(sdh: WorkerClient, status: int, body: Any) -> Reply:
    sdh.app[SIMULATED_ANSWERS][SPOKEN_OF] = (status, body)
    return await ask(sdh, SPOKEN_OF)


async def data_about(sdh: WorkerClient, **changes: Any) -> Any:
    """Returns the data published about an athlete in whose file the keys `changes` have other values."""
    return data_of(await reply_to(sdh, 200, FILE | changes))


def calls_of(sdh: WorkerClient) -> list[Received]:
    return [received for received in sdh.received if received.path != "/token"]


def record(first: str, last: str, *, high: bool = True, fiche: int = 1) -> dict[str, Any]:
    """Returns a record of the Sport Data Hub from the day `first` to the day `last`."""
    return {
        "fiche": fiche,
        "debutDroits": f"{first}T00:00:00",
        "finDroits": f"{last}T00:00:00",
        "federation": 37,
        "nomFederation": "Fédération d'escrime",
        "nomCourtFederation": "ESCRIME",
        "categorie": 4,
        "libCategorie": "Elite",
        "hautNiveau": high,
        "valeur": 128,
    }


def training(first: str, last: str, establishment: int, *, active: bool = False) -> dict[str, Any]:
    return {
        "active": active,
        "debut": f"{first}T00:00:00",
        "fin": f"{last}T09:25:28.67",
        "etablissement": establishment,
        "nomEtablissement": f"POLE {establishment}",
        "region": 53,
        "nomRegion": "Bretagne",
    }


FILE: dict[str, Any] = {
    "nom": "VERNOUILLAT",
    "prenom": "Gaspard",
    "nomUsage": "",
    "dateNaissance": "1993-08-27T00:00:00",
    "genre": "M",
    "fichesHN": [],
    "fichesClub": [],
    "fichesSportif": [],
}
NOW, BEFORE = record("2026-01-01", "2026-12-31"), record("2024-01-01", "2024-12-31", fiche=2)


# What is sent


async def test_an_athlete_is_requested_by_number_with_the_token_alone(sdh: WorkerClient) -> None:
    await ask(sdh, NOLWENN)
    [call] = calls_of(sdh)
    assert (call.method, call.path, call.query, call.body) == ("GET", f"/sportifs/{NOLWENN}", (), b"")
    assert call.headers["Authorization"].startswith("Bearer ")


async def test_a_token_is_requested_in_the_form_and_kept(sdh: WorkerClient) -> None:
    await ask(sdh, NOLWENN)
    await ask(sdh, NOLWENN)
    [token] = [received for received in sdh.received if received.path == "/token"]
    assert parse_qs(token.body.decode()) == {
        "client_id": [CLIENT_ID],
        "client_secret": [CLIENT_SECRET],
        "grant_type": ["client_credentials"],
    }


async def test_a_token_that_expires_early_is_renewed(sdh: WorkerClient) -> None:
    await ask(sdh, NOLWENN)
    sdh.app[TOKENS].revoke_all()
    assert isinstance(await ask(sdh, NOLWENN), Found)


# What is published


@pytest.mark.parametrize("number", PERSONAS)
async def test_every_athlete_is_published_as_the_document_says(sdh: WorkerClient, number: str) -> None:
    """Tests that the data fit the official document, which does not let `nom_usage` and `informations_statut` be null
    (docs/contract.md)."""
    data = data_of(await ask(sdh, number))
    data["identite"]["nom_usage"] = data["identite"]["nom_usage"] or "KERMORVAN"
    if current := data["informations_statut"]:
        if current["etablissement"]["code_etablissement"] is None:
            current |= {"etablissement": ETABLISSEMENT, "region": REGION}
    else:
        data["informations_statut"] = data_of(await ask(sdh, NOLWENN))["informations_statut"]
    assert_official(STATUT_SPORTIF.id, data)


ETABLISSEMENT = {"code_etablissement": "1", "nom_etablissement": "POLE 1"}
REGION = {"code_region": "53", "nom_region": "Bretagne"}


async def test_the_current_record_has_the_place_of_the_active_training(sdh: WorkerClient) -> None:
    trainings = [training("2020-09-01", "2030-08-31", 7), training("2020-09-01", "2020-09-02", 1, active=True)]
    data = await data_about(sdh, fichesHN=[NOW], fichesSportif=trainings)
    assert data["informations_statut"] == {
        "periode": {"date_debut_statut": "2026-01-01", "date_fin_statut": "2026-12-31"},
        "federation": {
            "code_federation": "37",
            "nom_federation": "Fédération d'escrime",
            "nom_court_federation": "ESCRIME",
        },
        "categorie": {"code_categorie": "4", "nom_categorie": "Elite", "valeur": "128"},
        "sportif_de_haut_niveau": True,
        "etablissement": ETABLISSEMENT,
        "region": REGION,
    }


async def test_a_former_record_has_the_place_of_its_own_period(sdh: WorkerClient) -> None:
    """Tests that a former record has the establishment where the athlete trained last in its period, and not today's
    (docs/contract.md)."""
    trainings = [
        training("2025-09-01", "2026-08-31", 1, active=True),
        training("2023-09-01", "2024-08-31", 2),
        training("2024-09-01", "2025-08-31", 3),
    ]
    [former] = (await data_about(sdh, fichesHN=[NOW, BEFORE], fichesSportif=trainings))[PRECEDENTS]
    assert (former["fiche"], former["etablissement"]["code_etablissement"]) == (2, "3")


async def test_an_unknown_place_is_null_today_and_absent_before(sdh: WorkerClient) -> None:
    data = await data_about(sdh, fichesHN=[NOW, BEFORE], fichesSportif=None)
    assert data["informations_statut"]["etablissement"] == dict.fromkeys(ETABLISSEMENT)
    assert data["informations_statut"]["region"] == dict.fromkeys(REGION)
    assert not data[PRECEDENTS][0].keys() & {"etablissement", "region"}


PRECEDENTS = "informations_statuts_precedents"
LOWER_NOW, LOWER_BEFORE = record("2026-01-01", "2026-12-31", high=False), record("2024-01-01", "2024-12-31", high=False)


@pytest.mark.parametrize(
    ("records", "is_now", "has_been"),
    [
        pytest.param([], False, False, id="no record"),
        pytest.param([NOW], True, False, id="for the first time"),
        pytest.param([NOW, BEFORE], True, True, id="again"),
        pytest.param([BEFORE], False, True, id="no longer"),
        pytest.param([LOWER_NOW, LOWER_BEFORE], False, False, id="never of high level"),
        pytest.param([LOWER_NOW, BEFORE], False, True, id="of lower level today"),
        pytest.param([LOWER_NOW, NOW], False, False, id="two records today, of which the first counts"),
        pytest.param([record(str(TODAY), str(TODAY))], True, False, id="for a day"),
        pytest.param([record("2026-04-16", "2027-04-15")], False, False, id="from tomorrow on"),
        pytest.param([record("2025-04-15", "2026-04-14")], False, True, id="until yesterday"),
    ],
)
async def test_today_and_the_past_are_told_apart(
    sdh: WorkerClient, records: list[dict[str, Any]], is_now: bool, has_been: bool
) -> None:
    data = await data_about(sdh, fichesHN=records)
    assert (data["est_sportif_de_haut_niveau"], data["a_ete_sportif_de_haut_niveau"]) == (is_now, has_been)
    assert len(data[PRECEDENTS]) + (data["informations_statut"] is not None) == len(records)


@pytest.mark.parametrize("genre", ["", "X", "m", None])
async def test_an_unknown_sex_is_null(sdh: WorkerClient, genre: str | None) -> None:
    assert (await data_about(sdh, genre=genre))["identite"]["sexe"] is None


# What goes wrong (docs/reference/upstreams/sdh.md §3)

UNKNOWN, MALFORMED = Failed("upstream_unknown"), Failed("upstream_malformed")


@pytest.mark.parametrize(
    ("status", "body", "reply"),
    [
        (404, {"title": "Not Found", "status": 404}, NotFound(UNKNOWN_ATHLETE)),
        (404, ["Not Found"], UNKNOWN),
        *((status, FILE, UNKNOWN) for status in (201, 204, 400, 401, 403, 409, 410, 429, 500)),
        (502, FILE, Failed("upstream_unavailable")),
        (504, FILE, Failed("upstream_timeout")),
        (200, None, MALFORMED),
        (200, [], MALFORMED),
        (200, {}, MALFORMED),
    ],
)
async def test_every_status_has_its_reply(sdh: WorkerClient, status: int, body: Any, reply: Reply) -> None:
    assert await reply_to(sdh, status, body) == reply


async def test_an_empty_404_is_an_absence(sdh: WorkerClient) -> None:
    assert await ask(sdh, "735319") == NotFound(UNKNOWN_ATHLETE)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"nom": None}, "$.nom"),
        ({"nom": ""}, "$.nom"),
        ({"fichesHN": {}}, "$.fichesHN"),
        ({"fichesHN": [NOW | {"hautNiveau": None}]}, "$.fichesHN[0].hautNiveau"),
        ({"fichesHN": [NOW | {"finDroits": None}]}, "$.fichesHN[0].finDroits"),
        ({"fichesHN": [NOW | {"debutDroits": "01/01/2026"}]}, "$.fichesHN[0].debutDroits"),
        ({"fichesHN": [NOW | {"valeur": "VERNOUILLAT"}]}, "$.fichesHN[0].valeur"),
        ({"dateNaissance": "27/08/1993"}, "$.dateNaissance"),
    ],
)
async def test_a_wrong_field_is_named_and_never_quoted(
    sdh: WorkerClient, caplog: pytest.LogCaptureFixture, changes: dict[str, Any], field: str
) -> None:
    with caplog.at_level(logging.INFO):
        assert await reply_to(sdh, 200, FILE | changes) == MALFORMED
    assert field in [getattr(record, "field", "") for record in caplog.records]
    said = "".join(map(log_text_of, caplog.records))
    assert not [word for word in ("VERNOUILLAT", SPOKEN_OF, "27/08/1993") if word in said]


@pytest.mark.parametrize(
    ("fault", "reason"),
    REASONS.items(),
)
async def test_every_fault_is_a_failure(sdh: WorkerClient, fault: Fault | HTTPStatus, reason: str) -> None:
    assert await ask(sdh, f"panne-{fault.name.replace('_', '-').lower()}") == Failed(reason)


async def test_a_silent_sport_data_hub_ends_with_the_deadline(sdh: WorkerClient) -> None:
    assert await ask(sdh, "panne-slow", within_s=SILENCE_S) == Failed("upstream_timeout")


# The recorded answer


async def test_the_recorded_answer_is_understood(sdh: WorkerClient) -> None:
    data = data_of(await reply_to(sdh, 200, json.loads(upstream_sample("sdh/statut_sportif/found.json"))))
    assert data["identite"] == {
        "nom_naissance": "DUPONT",
        "nom_usage": "DUPONT",
        "prenoms": "Thomas",
        "date_naissance": "1990-06-15",
        "sexe": "M",
    }
    assert data["informations_statut"]["etablissement"]["code_etablissement"] == "980"
    assert [former["fiche"] for former in data[PRECEDENTS]] == [861867]
    assert (data["est_sportif_de_haut_niveau"], data["a_ete_sportif_de_haut_niveau"]) == (True, True)
    assert_official(STATUT_SPORTIF.id, data)


def test_no_recorded_answer_is_left_out() -> None:
    upstream_sample("sdh/statut_sportif/found.json")
    assert [path.name for path in (REFERENCE / "upstream" / "sdh").rglob("*.json")] == ["found.json"]


# What is offered


def test_the_offer_speaks_for_the_sport_data_hub() -> None:
    offer = worker.offer()
    assert (offer.provider, offer.authority.label, offer.authority.prefix) == ("sdh", "SDH", "41")
    [operation] = offer.operations
    assert (operation.cache_s, operation.status) == (0, "sdh_statut_sportif")
    absence = offer.problems[UNKNOWN_ATHLETE]
    assert (absence.code, absence.title) == ("003", "Entité non trouvée")
    assert absence.detail == (
        "L'identifiant indiqué n'existe pas, n'est pas connu ou ne comporte aucune information pour cet appel."
        + PERIMETER
    )
