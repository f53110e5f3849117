"""Tests of the GIP-MDS's worker on its simulator: its requests, the contracts that it publishes, and its reply to each
error and to each recorded answer."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import pytest

from bouquet_gip_mds.contract import FRANCE_CONNECT, IDENTITE, SEVERAL, UNKNOWN_PERSON
from bouquet_gip_mds.personas import PersonKey, error
from bouquet_gip_mds.simulator import CLIENT_ID, CLIENT_SECRET, SIMULATED_ANSWERS, TOKENS, simulator
from bouquet_gip_mds.worker import worker
from bouquet_proto.failures import PERIMETER
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, Found, NotFound, Rejected, Reply
from bouquet_worker.simulate import Fault, Received
from bouquet_worker.testing.captured_telemetry import log_text_of
from tests.providers.faults import REASONS
from tests.providers.worker_client import SILENCE_S, WorkerClient, data_of, identite, worker_client
from tests.support.openapi import assert_official, upstream_sample
from tests.support.reference import REFERENCE

MAIWENN = identite("Le Goff", "Maïwenn", "Rozenn", born="2005-06-17")
SPOKEN_OF = identite("Vernouillat", "Gaspard", born="1993-08-27")
"""Person in tests where the test itself, not the simulator's data, determines the GIP-MDS's answer."""
KEY = PersonKey("VERNOUILLAT", "gaspard", "27081993")
NOBODY = {
    "contrat_trouve": False,
    "organisme_accueil": {"siret": None, "raison_sociale": None},
    "date_debut_contrat": None,
    "date_fin_contrat": None,
}


@pytest.fixture
async def gip_mds(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


async def ask(gip_mds: WorkerClient, who: Identite, operation: str = IDENTITE.id, **options: Any) -> Reply:
    return await gip_mds(operation, who, **options)


async def reply_to(gip_mds: WorkerClient, status: int, body: Any) -> Reply:
    gip_mds.app[SIMULATED_ANSWERS][KEY] = (status, body)
    return await ask(gip_mds, SPOKEN_OF)


async def data_about(gip_mds: WorkerClient, *contracts: dict[str, Any]) -> Any:
    """Returns the data published about a person with these contracts, each of another establishment."""
    return data_of(await reply_to(gip_mds, 200, {"individu": {"entreprise": [*map(employer, contracts)]}}))


def employer(contract: Any, siret: str | None = "13002526500013") -> dict[str, Any]:
    return {"raisonSociale": "DINUM", "etablissement": [{"siret": siret, "contrat": [contract]}]}


def contract(begins: str, ends: str | None = None, motive: str | None = None, **more: Any) -> dict[str, Any]:
    return {"dateDebutContrat": begins, "dateFinContrat": ends, "motifRupture": motive} | more


def published(begins: str | None, ends: str | None) -> dict[str, Any]:
    """Returns a published contract from the day `begins` to the day `ends`."""
    host = {"siret": "13002526500013", "raison_sociale": "DINUM"}
    dates = {"date_debut_contrat": begins, "date_fin_contrat": ends}
    return {"contrat_trouve": True, "organisme_accueil": host, **dates}


def calls_of(gip_mds: WorkerClient) -> list[Received]:
    return [received for received in gip_mds.received if received.path != "/token"]


# What is sent


@pytest.mark.parametrize("operation", [IDENTITE.id, FRANCE_CONNECT.id])
async def test_a_person_is_requested_by_name_in_capitals_and_first_first_name(
    gip_mds: WorkerClient, operation: str
) -> None:
    await ask(gip_mds, identite("d'Hérouville-le Goff", "Zoë", "Anne", born="1999-09-04"), operation)
    [call] = calls_of(gip_mds)
    assert (call.method, call.path, call.body) == ("GET", "/contrats-generique", b"")
    assert call.query == (
        ("nom", "D'HÉROUVILLE-LE GOFF"),
        ("prenom", "Zoë"),
        ("dateNaissance", "04091999"),
        ("listeCodeNature", "89"),
        ("comparaisonCertifiee", "1"),
    )
    assert call.headers["Content-Type"] == "application/json"
    assert call.headers["Authorization"].startswith("Bearer ")


async def test_a_token_is_requested_in_the_form_and_kept(gip_mds: WorkerClient) -> None:
    await ask(gip_mds, MAIWENN)
    await ask(gip_mds, MAIWENN)
    [token] = [received for received in gip_mds.received if received.path == "/token"]
    assert parse_qs(token.body.decode()) == {
        "client_id": [CLIENT_ID],
        "client_secret": [CLIENT_SECRET],
        "grant_type": ["client_credentials"],
    }


async def test_a_token_that_expires_early_is_renewed(gip_mds: WorkerClient) -> None:
    await ask(gip_mds, MAIWENN)
    gip_mds.app[TOKENS].revoke_all()
    assert isinstance(await ask(gip_mds, MAIWENN), Found)


# What is published


async def test_a_current_and_a_former_contract_are_both_published(gip_mds: WorkerClient) -> None:
    """Tests that contracts of several employers are read (docs/contract.md)."""
    data = await data_about(
        gip_mds,
        contract("2021-03-15", "2021-11-14", "31"),
        contract("2025-10-01", dateFinPrevisionnelle="2026-07-31"),
    )
    assert data == {
        "statut_actuel": published("2025-10-01", "2026-07-31"),
        "statut_passe": published("2021-03-15", "2021-11-14"),
    }
    assert_official(IDENTITE.id, data)


@pytest.mark.parametrize(
    ("ends", "motive", "current"),
    [
        (None, None, True),
        (None, "31", True),
        (" ", None, True),
        ("2026-03-31", "99", True),
        ("2026-03-31", "100", True),
        ("2026-03-31", None, False),
        ("2026-12-31", "31", False),
        ("2026-03-31", "999", False),
    ],
)
async def test_a_contract_is_current_without_an_end_or_with_one_that_is_none(
    gip_mds: WorkerClient, ends: str | None, motive: str | None, current: bool
) -> None:
    data = await data_about(gip_mds, contract("2025-10-01", ends, motive))
    assert (data["statut_actuel"]["contrat_trouve"], data["statut_passe"]["contrat_trouve"]) == (current, not current)


async def test_of_several_contracts_the_latest_are_published(gip_mds: WorkerClient) -> None:
    data = await data_about(
        gip_mds,
        contract("2025-10-01"),
        contract("2026-02-01"),
        contract("2020-01-15", "2020-07-14"),
        contract("2019-01-15", "2021-07-14"),
        contract("2018-01-15", "2018-07-14"),
    )
    begins = data["statut_actuel"]["date_debut_contrat"], data["statut_passe"]["date_debut_contrat"]
    assert begins == ("2026-02-01", "2019-01-15")


async def test_a_contract_of_another_nature_is_no_civic_service(gip_mds: WorkerClient) -> None:
    assert await data_about(gip_mds, contract("2025-10-01", natureContrat="01")) == {
        "statut_actuel": NOBODY,
        "statut_passe": NOBODY,
    }


async def test_what_the_gip_mds_does_not_tell_is_null(gip_mds: WorkerClient) -> None:
    body = {"individu": {"entreprise": [{"etablissement": [{"contrat": [{}], "siret": " "}]}]}}
    assert data_of(await reply_to(gip_mds, 200, body))["statut_actuel"] == NOBODY | {"contrat_trouve": True}


# What goes wrong (docs/reference/upstreams/gip_mds.md §3)

UNKNOWN, MALFORMED = Failed("upstream_unknown"), Failed("upstream_malformed")
WITHOUT_CONTRACT, WITHOUT_PERSON, SEVERAL_PEOPLE = map(
    error, ("NOT_FOUND_CONTRAT", "NOT_FOUND_INDIVIDU", "TOO_MANY_INDIVIDU")
)
NOT_ITS_OWN: tuple[Any, ...] = (None, {}, [], {"erreurs": []}, {"erreurs": None}, error("KO_TECHNIQUE"))
NO_FILES: tuple[Any, ...] = (None, [], {}, WITHOUT_CONTRACT, {"individu": None}, {"individu": {}})


@pytest.mark.parametrize(
    ("status", "body", "reply"),
    [
        (404, WITHOUT_PERSON, NotFound(UNKNOWN_PERSON)),
        (413, SEVERAL_PEOPLE, Rejected(SEVERAL)),
        (404, SEVERAL_PEOPLE, UNKNOWN),
        (413, WITHOUT_PERSON, UNKNOWN),
        (413, {}, UNKNOWN),
        *((404, body, UNKNOWN) for body in NOT_ITS_OWN),
        *((status, WITHOUT_CONTRACT, UNKNOWN) for status in (201, 204, 400, 401, 403, 409, 429, 500)),
        (503, WITHOUT_CONTRACT, Failed("upstream_unavailable")),
        (504, WITHOUT_CONTRACT, Failed("upstream_timeout")),
        *((200, body, MALFORMED) for body in NO_FILES),
    ],
)
async def test_every_status_has_its_reply(gip_mds: WorkerClient, status: int, body: Any, reply: Reply) -> None:
    assert await reply_to(gip_mds, status, body) == reply


async def test_a_known_person_without_a_contract_is_found(gip_mds: WorkerClient) -> None:
    data = data_of(await reply_to(gip_mds, 404, WITHOUT_CONTRACT))
    assert data == {"statut_actuel": NOBODY, "statut_passe": NOBODY}
    assert_official(IDENTITE.id, data)


PLACE = "$.individu.entreprise[0]"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"etablissement": None}, f"{PLACE}.etablissement"),
        ({"etablissement": [{"siret": "VERNOUILLAT"}]}, f"{PLACE}.etablissement[0].contrat"),
        (employer("VERNOUILLAT"), f"{PLACE}.etablissement[0].contrat[0]"),
        (employer(contract("15/01/2024")), f"{PLACE}.etablissement[0].contrat[0].dateDebutContrat"),
        (employer(contract("2024-01-15") | {"motifRupture": 99}), f"{PLACE}.etablissement[0].contrat[0].motifRupture"),
        (employer({}) | {"raisonSociale": ["VERNOUILLAT"]}, f"{PLACE}.raisonSociale"),
    ],
)
async def test_a_wrong_field_is_named_and_never_quoted(
    gip_mds: WorkerClient, caplog: pytest.LogCaptureFixture, wrong: Any, field: str
) -> None:
    with caplog.at_level(logging.INFO):
        assert await reply_to(gip_mds, 200, {"individu": {"entreprise": [wrong]}}) == MALFORMED
    assert [path for record in caplog.records if (path := getattr(record, "field", "")).startswith(field[:-3])]
    said = "".join(map(log_text_of, caplog.records))
    assert not [word for word in ("VERNOUILLAT", "Gaspard", "27081993", "15/01/2024") if word in said]


@pytest.mark.parametrize(
    ("fault", "reason"),
    REASONS.items(),
)
async def test_every_fault_is_a_failure(gip_mds: WorkerClient, fault: Fault | HTTPStatus, reason: str) -> None:
    who = identite(f"panne-{fault.name.replace('_', '-')}", "Gaspard")
    assert await ask(gip_mds, who) == Failed(reason)


async def test_a_silent_gip_mds_ends_with_the_deadline(gip_mds: WorkerClient) -> None:
    assert await ask(gip_mds, identite("panne-slow", "Gaspard"), within_s=SILENCE_S) == Failed("upstream_timeout")


# Recorded answers

RECORDED: dict[str, tuple[int, tuple[bool, bool] | Reply]] = {
    # HTTP status, and whether a current and a former contract are found, or the reply
    "valid.json": (200, (True, False)),
    "valid_motif_rupture_99.json": (200, (True, False)),
    "valid_motif_rupture_100.json": (200, (True, False)),
    "past_contract.json": (200, (False, True)),
    "multiple_contracts.json": (200, (True, True)),
    "not_found_contrat.json": (404, (False, False)),
    "not_found.json": (404, NotFound(UNKNOWN_PERSON)),
    "too_many_individus.json": (413, Rejected(SEVERAL)),
}


@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_answer_is_understood(gip_mds: WorkerClient, name: str) -> None:
    status, expected = RECORDED[name]
    reply = await reply_to(gip_mds, status, json.loads(upstream_sample(f"gip_mds/service_civique/{name}")))
    if not isinstance(expected, tuple):
        assert reply == expected
        return
    data = data_of(reply)
    assert (data["statut_actuel"]["contrat_trouve"], data["statut_passe"]["contrat_trouve"]) == expected
    assert_official(IDENTITE.id, data)


def test_every_recorded_answer_is_in_the_table() -> None:
    upstream_sample("gip_mds/service_civique/valid.json")
    assert {path.name for path in (REFERENCE / "upstream" / "gip_mds").rglob("*.json")} == {*RECORDED}


# What is offered


def test_the_offer_speaks_for_the_gip_mds() -> None:
    offer = worker.offer()
    assert (offer.provider, offer.authority.label, offer.authority.prefix) == ("gip_mds", "GIP-MDS", "31")
    assert {one.cache_s for one in offer.operations} == {0}
    assert FRANCE_CONNECT.france_connect_resource == "service_civique"
    absence = offer.problems[UNKNOWN_PERSON]
    assert (absence.code, absence.title) == ("003", "Entité non trouvée")
    assert absence.detail == (
        "L'identifiant indiqué n'existe pas, n'est pas connu ou ne comporte aucune information pour cet appel."
        + PERIMETER
    )
