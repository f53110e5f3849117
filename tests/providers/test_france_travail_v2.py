"""Tests of a jobseeker and payments in version 2."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bouquet_france_travail.contract import INDEMNITES_V2, NO_PAYMENT, NO_SITUATION, STATUT_V2
from bouquet_france_travail.personas import LABELS, Persona, SimulatedAnswer
from bouquet_france_travail.simulator import SIMULATED_ANSWERS, simulator
from bouquet_france_travail.worker import worker
from bouquet_proto.identity import Identifiant
from bouquet_proto.messages import Found, NotFound, Reply
from tests.providers.v2 import assert_retired, first_refusal, shown, typed
from tests.providers.worker_client import WorkerClient, worker_client
from tests.support.openapi import assert_official, upstream_sample

SITUATION, PAYMENTS = STATUT_V2.operation, INDEMNITES_V2.operation
SPOKEN_OF = "gaspard.vernouillat01"


@pytest.fixture
async def france_travail(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


async def reply_to(asked: WorkerClient, operation: str, sample: str) -> Reply:
    said = SimulatedAnswer(200, json.loads(upstream_sample(f"france_travail/{sample}")))
    asked.app[SIMULATED_ANSWERS][SPOKEN_OF] = Persona(story="", statut=said, indemnites=said)
    return await asked(operation, Identifiant(identifiant=SPOKEN_OF))


IDENTITY: dict[str, Any] = {
    "identifiant": SPOKEN_OF,
    "civilite": "M.",
    "nom": "DUPONT",
    "nomUsage": None,
    "prenom": "JEAN",
    "sexe": "Masculin",
    "dateNaissance": "1990-01-01",
}
INSCRIPTION: dict[str, Any] = {
    "codeCertificationCNAV": "VC",
    "codeCategorieInscription": 1,
    "libelleCategorieInscription": LABELS["1"],
    "dateInscription": "2020-01-01",
    "dateCessationInscription": None,
}
CONTACT: dict[str, Any] = {"email": "jean.dupont@france.fr", "telephone": "0636656565", "telephone2": None}
ADDRESS = {
    "INSEECommune",
    "codePostal",
    "ligneComplementAdresse",
    "ligneComplementDestinataire",
    "ligneComplementDistribution",
    "ligneNom",
    "ligneVoie",
    "localite",
}


async def test_a_recorded_situation_is_shown_flat(france_travail: WorkerClient) -> None:
    data = shown(await reply_to(france_travail, SITUATION.id, "statut/valid.json"), SITUATION)
    recorded = json.loads(upstream_sample("france_travail/statut/valid.json"))["adresse"]
    assert data["adresse"].keys() == ADDRESS
    assert {name: line for name, line in data["adresse"].items() if line} == {
        name: line for name, line in recorded.items() if line.strip()
    }
    assert {name: value for name, value in data.items() if name != "adresse"} == IDENTITY | INSCRIPTION | CONTACT
    assert_official(SITUATION.id, data)


@pytest.mark.parametrize(
    ("scope", "fields"),
    [
        ("pole_emploi_identite", IDENTITY.keys()),
        ("pole_emploi_inscription", INSCRIPTION.keys()),
        ("pole_emploi_contact", CONTACT.keys()),
        ("pole_emploi_adresse", {"adresse"}),
        ("pole_emploi_identifiant", set()),
    ],
)
async def test_a_scope_opens_its_fields(france_travail: WorkerClient, scope: str, fields: set[str]) -> None:
    reply = await reply_to(france_travail, SITUATION.id, "statut/valid.json")
    assert shown(reply, SITUATION, scope).keys() == fields


async def test_recorded_payments_are_shown_under_their_older_names(france_travail: WorkerClient) -> None:
    reply = await reply_to(france_travail, PAYMENTS.id, "indemnites/valid.json")
    recorded = json.loads(upstream_sample("france_travail/indemnites/valid.json"))["listePaiement"]
    data = shown(reply, PAYMENTS)
    assert data == {
        "identifiant": SPOKEN_OF,
        "paiements": [
            {
                "date": paid["datePaiement"][:10],
                "montant": paid["montantPaiement"],
                "allocations": paid["allocations"],
                "aides": paid["aides"],
                "autres": paid["autresPaiements"],
            }
            for paid in recorded
        ],
    }
    assert_official(PAYMENTS.id, data)
    assert shown(reply, PAYMENTS, "pole_emploi_identite") == {"identifiant": SPOKEN_OF}


async def test_the_identifier_of_the_answer_is_that_of_the_question(france_travail: WorkerClient) -> None:
    assert isinstance(await typed(france_travail, SITUATION, "identifiant=maelys.quintrand12"), Found)
    assert await typed(france_travail, SITUATION, "identifiant=inconnu") == NotFound(NO_SITUATION)
    assert await typed(france_travail, PAYMENTS, "identifiant=inconnu") == NotFound(NO_PAYMENT)
    assert {first_refusal(one, "identifiant=+") for one in (SITUATION, PAYMENTS)} == {"00380"}


def test_version_2_has_its_own_scopes_and_a_sunset_date() -> None:
    assert set(SITUATION.scopes) == {
        f"pole_emploi_{part}" for part in ("identite", "adresse", "contact", "inscription")
    }
    assert PAYMENTS.scopes == ("pole_emploi_paiements",)
    assert_retired(SITUATION, "/v3/france_travail/statut/identifiant")
    assert_retired(PAYMENTS, "/v3/france_travail/indemnites/identifiant")
