"""Tests of the simulated hub and its people."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, encode_basic_auth

from bouquet_cnaf.simulator import simulator as cnaf
from bouquet_hub.personas import (
    CAF,
    MSA,
    PERSONAS,
    CivilStatus,
    Persona,
    SimulatedAnswer,
    answers_of_personas,
    scripted_answer,
)
from bouquet_hub.simulator import CLIENT_SECRET, SCOPE, hub_app
from bouquet_mesh.listen import listening
from bouquet_msa.simulator import simulator as msa
from bouquet_proto.rules.civil_status import NAME
from bouquet_worker import paris_today
from bouquet_worker.simulate import Fault, on_one_port

ASKED = {
    "nomNaissance": "LE GOUADEC",
    "listePrenoms": "MAELYS INES",
    "dateNaissance": "1989-06-14",
    "genre": "F",
    "anneeDemandee": "2025",
    "moisDemande": "01",
}


def authorization(secret: str) -> dict[str, str]:
    return {"Authorization": encode_basic_auth("bouquet-cnaf", secret)}


@pytest.fixture
async def client() -> AsyncIterator[ClientSession]:
    async with listening(hub_app(CAF), "127.0.0.1", 0) as url, ClientSession(url) as client:
        form = {"grant_type": "client_credentials", "scope": SCOPE}
        async with client.post("/token", data=form, headers=authorization(CLIENT_SECRET)) as answer:
            client.headers["Authorization"] = f"Bearer {(await answer.json())['access_token']}"
        yield client


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"nomNaissance": ""}, 40002),
        ({"nomNaissance": "LE GOUÄDEC"}, 40003),
        ({"listePrenoms": "MAËLYS"}, 40005),
        ({"genre": "f"}, 40013),
        ({"dateNaissance": ""}, 40001),
        ({"moisDemande": "1"}, 40001),
        ({"moisDemande": "13"}, 40001),
        ({"anneeDemandee": str(paris_today().year + 1)}, 40029),
    ],
)
async def test_the_hub_controls_what_it_is_asked(client: ClientSession, changed: dict[str, str], code: int) -> None:
    async with client.get("/qf", params=ASKED | changed) as answer:
        assert (answer.status, (await answer.json())["errorCode"]) == (400, code)


async def test_a_token_is_asked_for(client: ClientSession) -> None:
    async with client.get("/qf", params=ASKED, headers={"Authorization": "Bearer other"}) as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    ("scope", "secret", "status"),
    [("simulateur.autre", CLIENT_SECRET, 400), (SCOPE, "wrong", 401)],
)
async def test_a_token_is_for_one_client_and_one_scope(
    client: ClientSession, scope: str, secret: str, status: int
) -> None:
    form = {"grant_type": "client_credentials", "scope": scope}
    async with client.post("/token", data=form, headers=authorization(secret)) as answer:
        assert answer.status == status


async def test_a_quotient_is_that_of_the_month_before(client: ClientSession) -> None:
    async with client.get("/qf", params=ASKED) as answer:
        file = await answer.json()
        assert (file["annee"], file["mois"]) == (2024, 12)


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.who.nom)
def test_a_persona_can_be_named_under_the_contract(persona: Persona) -> None:
    who = persona.who
    assert NAME.fullmatch(who.nom)
    assert NAME.fullmatch(who.prenoms)
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", who.naissance)


def test_personas_are_different_people() -> None:
    assert len(answers_of_personas(CAF)) == len(answers_of_personas(MSA)) == len(PERSONAS)


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_a_birth_name(fault: Fault) -> None:
    name = f"CAF-{fault.name.replace('_', '-')}"
    assert NAME.fullmatch(name)
    assert scripted_answer(CivilStatus(name, "", "", ""), CAF) is fault


@pytest.mark.parametrize("name", ["LE GOUADEC", "CAF", "MSA FOUND", "SCAF-SLOW", "CAF-UNHEARD-OF"])
def test_an_ordinary_name_scripts_no_answer(name: str) -> None:
    said: SimulatedAnswer | None = scripted_answer(CivilStatus(name, "", "", ""), CAF)
    assert said is None


async def test_the_simulators_of_both_hubs_can_share_a_port() -> None:
    async with listening(on_one_port([cnaf, msa]), "127.0.0.1", 0) as url, ClientSession() as client:
        for simulator in (cnaf, msa):
            environ = simulator.settings(f"{url}/{simulator.provider}")
            async with client.get(environ[f"BOUQUET_{simulator.provider.upper()}_HUB_URL"]) as answer:
                assert answer.status == 401
