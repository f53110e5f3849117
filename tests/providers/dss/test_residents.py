"""Tests that the DSS worker answers correctly about each person in its simulator, and reports any other person as
unidentified."""

from __future__ import annotations

from datetime import date

import pytest

from bouquet_dss.personas import Resident, residents
from bouquet_dss.simulator import simulator
from bouquet_dss.worker import worker
from bouquet_hub.personas import CAF, PERSONAS, Persona, Refusal
from bouquet_proto.messages import NotFound, Rejected
from bouquet_proto.rules.civil_status import NAME
from tests.providers.dss.replies import (
    CORALINE,
    MAELYS,
    OPERATIONS,
    identity_of,
    summary,
)
from tests.providers.worker_client import TODAY, WorkerClient, data_of, identite, worker_client
from tests.support.openapi import assert_official


@pytest.mark.parametrize("resident", residents(TODAY), ids=lambda resident: resident.who.nom)
async def test_everybody_in_the_simulator_is_shown_under_the_official_document(
    dss: WorkerClient, resident: Resident
) -> None:
    assert NAME.fullmatch(resident.who.nom) and NAME.fullmatch(resident.who.prenoms)
    for name, operation in OPERATIONS.items():
        reply = await dss(operation, identity_of(resident))
        if name == "eaje" and reply == NotFound("no_young_child"):
            continue
        assert_official(operation, data_of(reply))


def test_residents_are_different_people() -> None:
    everybody = residents(TODAY)
    assert len({resident.who for resident in everybody}) == len(everybody)


@pytest.mark.parametrize("today", [date(2026, 1, 1), date(2026, 12, 31), date(2041, 6, 15)])
async def test_families_never_grow_old(today: date, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.providers.worker_client.TODAY", today)
    violaine = identite("Estevenin", "Violaine", born="1992-07-30", commune="39300")
    fulgence = identite("Lauzerte", "Fulgence", born="1984-10-17", sexe="M", commune="82094")
    async with worker_client(worker, simulator, monkeypatch) as dss:
        for who in (CORALINE, violaine):
            assert summary(data_of(await dss(OPERATIONS["eaje"], who)))["annee_calcul"] == today.year - 2
        assert await dss(OPERATIONS["eaje"], fulgence) == NotFound("no_young_child")


REFUSED = [(persona, said) for persona in PERSONAS if isinstance(said := persona.answers[CAF], Refusal)]
FILES = {resident.who for resident in residents(TODAY)}


@pytest.mark.parametrize(("persona", "said"), [row for row in REFUSED if row[0].who not in FILES])
@pytest.mark.parametrize("name", ["c2s", "rsa", "eaje"])
async def test_whoever_has_no_quotient_has_no_file_here(
    dss: WorkerClient, name: str, persona: Persona, said: Refusal
) -> None:
    reply = await dss(OPERATIONS[name], identity_of(persona))
    assert isinstance(reply, NotFound | Rejected)
    no_file = "no_file_rncps" if name == "c2s" else "no_file_cnaf"
    assert (
        reply.reason
        == {40401: no_file, 40406: "unattached", 40409: "unidentified", 40013: "civil_status_refused"}[said.code]
    )


async def test_a_child_opens_the_right_of_a_parent(dss: WorkerClient) -> None:
    louise = identite("Kervennic", "Louise", born="2019-08-11")
    statuses = [data_of(await dss(OPERATIONS["aeeh"], who))["status"] for who in (MAELYS, louise)]
    assert statuses == ["allocataire", "ouvrant_droit"]


async def test_whoever_the_hub_does_not_know_is_unidentified(dss: WorkerClient) -> None:
    assert await dss(OPERATIONS["aah"], identite("Nemo")) == Rejected("unidentified")
