"""Tests of a commune of birth given by name, for MESRI and Cnous. The gateway turns it into a code, or refuses it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bouquet_cnous.contract import SCOPES as CNOUS_SCOPES
from bouquet_cnous.simulator import simulator as cnous_simulator
from bouquet_cnous.worker import worker as cnous
from bouquet_mesr.simulator import simulator as mesr_simulator
from bouquet_mesr.worker import worker as mesr
from tests.support import mesh as meshes
from tests.support.gateway_client import RECIPIENT, Answer
from tests.support.mesh import Mesh

WORKERS = {"mesr": (mesr, mesr_simulator), "cnous": (cnous, cnous_simulator)}
PATHS = {
    "mesr": "/v3/mesri/statut_etudiant/identite",
    "cnous": "/v5/cnous/etudiant_boursier/identite",
}
SCOPES = ("mesri_identite", "mesri_admissions", *CNOUS_SCOPES)
FIELDS = {"mesr": "lieuNaissance", "cnous": "birthPlace"}
MAIWENN: dict[str, Any] = {
    "nomNaissance": "LE GOFF",
    "prenoms[]": ["Maïwenn"],
    "sexeEtatCivil": "F",
    "anneeDateNaissance": 2005,
    "moisDateNaissance": 6,
    "jourDateNaissance": 17,
}


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mesh]:
    monkeypatch.setattr(meshes, "PROVIDERS", WORKERS)
    async with meshes.mesh(workers=tuple(WORKERS)) as opened:
        yield opened


async def asked(client: Mesh, provider: str, **place: Any) -> Answer:
    return await client.get(PATHS[provider], {"recipient": RECIPIENT} | MAIWENN | place, scopes=SCOPES)


def searches(client: Mesh, provider: str) -> list[Any]:
    return [json.loads(one.body) for one in client.received(provider) if one.body.startswith(b"{")]


def named(commune: str, departement: str, annee: int = 2005) -> dict[str, Any]:
    return {
        "nomCommuneNaissance": commune,
        "codeCogInseeDepartementNaissance": departement,
        "anneeDateNaissance": annee,
    }


@pytest.mark.parametrize("provider", WORKERS)
@pytest.mark.parametrize(
    ("place", "code"),
    [
        (named("Concarneau", "29"), "29039"),
        (named("Ajaccio", "2a", 1960), "20004"),
        (named("Mamoudzou", "976", 2006), "98511"),
        (named("Mamoudzou", "976", 2015), "97611"),
        (named("Saint-Martin", "971", 2004), "97127"),
        (named("Saint-Barthélemy", "971", 2001), "97123"),
        ({}, None),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else str(value),
)
async def test_a_commune_name_is_resolved_to_the_code_of_the_birth_year(
    client: Mesh, provider: str, place: dict[str, Any], code: str | None
) -> None:
    await asked(client, provider, **place)
    [search] = searches(client, provider)
    assert search.get(FIELDS[provider]) == code


@pytest.mark.parametrize("provider", WORKERS)
@pytest.mark.parametrize(
    ("place", "code"),
    [
        (named("Kimper", "29"), "00365"),
        (named("Gennevilliers", "29"), "00365"),
        (named("Paris", "62"), "00365"),
        (named("Saint-Martin", "62"), "00365"),
        (named("Saint-Martin", "971", 2010), "00365"),
        (named("Saint-Martin", "978", 2010), "00428"),
        (named("Nouméa", "988"), "00428"),
        (named("Concarneau", "999"), "00428"),
        ({"nomCommuneNaissance": "Concarneau"}, "00428"),
        ({"codeCogInseeDepartementNaissance": "29"}, "00365"),
        (named("Concarneau", "29", 89), "00422"),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else str(value),
)
async def test_an_unusable_birth_place_is_refused_without_asking_the_provider(
    client: Mesh, provider: str, place: dict[str, Any], code: str
) -> None:
    answer = await asked(client, provider, **place)
    assert (answer.status, answer.codes) == (422, [code])
    assert searches(client, provider) == []
