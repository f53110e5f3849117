"""Tests which of CAF and MSA the gateway asks first, and when it asks the other too (docs/reference/upstreams/regime.md
§5, §6, §8)."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest
from prometheus_client import REGISTRY

from bouquet_hub.personas import NO_FILE, CivilStatus, File, SimulatedAnswer, household, person
from bouquet_hub.simulator import SIMULATED_ANSWERS
from bouquet_worker.simulate import Fault
from tests.support.clock import skip_time
from tests.support.gateway_client import RECIPIENT, Answer
from tests.support.mesh import Mesh, mesh, short_upstream_timeouts
from tests.support.people import CAF_ALLOCATAIRE, MSA_ALLOCATAIRE, UNKNOWN_PERSON, persona, query_for, staged_query
from tests.support.waiting import until

ALIX = CivilStatus("KERANGAL", "ALIX", "1990-05-17", "F")
FRESH = {"Cache-Control": "no-cache"}
MSA_TIMEOUT_S = 10.0
LATER_SILENT = short_upstream_timeouts("msa", after_s=MSA_TIMEOUT_S)
"""Settings under which the MSA's worker stops waiting for a silent MSA long before the gateway does."""


def file_of(who: CivilStatus, quotient: int = 777) -> File:
    return household(quotient, person(who), codePostalVille="29000 QUIMPER", pays="FRANCE")


def says(client: Mesh, *, cnaf: SimulatedAnswer, msa: SimulatedAnswer) -> None:
    """Sets what the simulators of CAF and MSA answer about the person Alix."""
    client.simulators["cnaf"][SIMULATED_ANSWERS][ALIX] = cnaf
    client.simulators["msa"][SIMULATED_ANSWERS][ALIX] = msa


async def ask(client: Mesh, **changes: Any) -> Answer:
    """Asks about the person Alix, with a header that keeps the gateway from answering from its cache."""
    year, month, day = (int(part) for part in ALIX.naissance.split("-"))
    born = {"anneeDateNaissance": year, "moisDateNaissance": month, "jourDateNaissance": day}
    params = staged_query(ALIX.nom, **{"prenoms[]": [ALIX.prenoms]}, **born)
    return await client.get(params=params | changes, headers=FRESH)


async def ask_while_msa_is_silent(client: Mesh, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Asks about the person Alix, and skips the time that the MSA's worker waits for the silent MSA."""
    asking = asyncio.create_task(ask(client))
    await until(lambda: bool(client.received("msa")))
    skip_time(monkeypatch, MSA_TIMEOUT_S)
    return await asking


async def known_at_the_msa(client: Mesh) -> None:
    """Makes a call that finds Alix at the MSA, so that the gateway remembers the MSA as her provider. Then clears the
    record of requests that the simulators received."""
    says(client, cnaf=NO_FILE, msa=file_of(ALIX))
    assert (await ask(client)).summary == "200 MSA"
    client.clear_received()


async def test_a_person_found_at_the_first_provider_is_not_sent_to_the_other() -> None:
    async with mesh() as client:
        assert (await client.get(params=CAF_ALLOCATAIRE)).summary == "200 CNAF"
        assert client.call_counts == {"cnaf": 1, "msa": 0}


async def test_the_other_provider_is_asked_at_once_after_an_absence() -> None:
    """Tests that the MSA is asked as soon as the CAF has answered that it does not know the person. The gateway does
    not wait for the timer that applies if the CAF is silent."""
    async with mesh() as client:
        assert (await client.get(params=MSA_ALLOCATAIRE)).summary == "200 MSA"
        assert client.call_counts == {"cnaf": 1, "msa": 1}


async def test_caf_and_msa_are_asked_under_one_correlation_id_and_recipient() -> None:
    async with mesh() as client:
        answer = await client.get(params=MSA_ALLOCATAIRE)
        headers = [client.received(provider)[0].headers for provider in ("cnaf", "msa")]
    assert {header["X-Correlation-ID"] for header in headers} == {answer.headers["X-Request-Id"]}
    assert {header["X-APIPART-FSFINAL"] for header in headers} == {RECIPIENT}


async def test_a_silent_first_provider_is_hedged() -> None:
    """Tests that if the provider asked first stays silent, the gateway asks the second one and returns its answer
    without waiting longer for the first."""
    async with mesh(hedge_after_s=0.1, double_file_grace_s=0.05) as client:
        assert (await client.get(params=staged_query("CAF-SLOW MSA-FOUND"))).summary == "200 MSA"


async def test_a_found_answer_waits_for_the_other_provider_only_for_the_grace() -> None:
    async with mesh(hedge_after_s=0.0, double_file_grace_s=0.1) as client:
        assert (await client.get(params=staged_query("CAF-FOUND MSA-SLOW"))).summary == "200 CNAF"


async def test_with_hedging_after_0_s_both_providers_are_always_asked() -> None:
    async with mesh(hedge_after_s=0.0) as client:
        await client.get(params=CAF_ALLOCATAIRE)
        assert client.call_counts == {"cnaf": 1, "msa": 1}


async def test_a_remembered_regime_saves_a_call() -> None:
    async with mesh() as client:
        await known_at_the_msa(client)
        assert (await ask(client)).summary == "200 MSA"
        assert client.call_counts == {"cnaf": 0, "msa": 1}


async def test_a_regime_is_remembered_of_a_person_however_spelt() -> None:
    async with mesh() as client:
        await known_at_the_msa(client)
        assert (await ask(client, nomNaissance="Kérangal", **{"prenoms[]": ["alix"]})).summary == "200 MSA"
        assert client.call_counts == {"cnaf": 0, "msa": 1}


async def test_a_regime_is_remembered_of_one_person_only() -> None:
    async with mesh() as client:
        await known_at_the_msa(client)
        await ask(client, jourDateNaissance=18)
        assert client.call_counts == {"cnaf": 1, "msa": 1}


async def test_a_regime_is_remembered_of_a_single_find_only() -> None:
    by_first = {"provider": "cnaf", "source": "first"}
    async with mesh(hedge_after_s=0.0) as client:
        says(client, cnaf=file_of(ALIX), msa=file_of(ALIX))
        assert (await ask(client)).summary == "200 MSA"
        says(client, cnaf=file_of(ALIX), msa=Fault.UNAVAILABLE)
        before = count("bouquet_gateway_regime_decisions_total", **by_first)
        assert (await ask(client)).summary == "200 CNAF"
    assert count("bouquet_gateway_regime_decisions_total", **by_first) == before + 1


async def test_a_wrong_regime_hint_is_corrected_and_makes_no_404() -> None:
    async with mesh() as client:
        await known_at_the_msa(client)
        says(client, cnaf=file_of(ALIX), msa=NO_FILE)
        assert (await ask(client)).summary == "200 CNAF"
        client.clear_received()
        assert (await ask(client)).summary == "200 CNAF"
        assert client.call_counts == {"cnaf": 1, "msa": 0}


async def test_a_disproved_regime_hint_is_dropped_even_for_an_unknown_person() -> None:
    async with mesh() as client:
        await known_at_the_msa(client)
        says(client, cnaf=NO_FILE, msa=NO_FILE)
        assert (await ask(client)).summary == "404 35003 CNAF & MSA"
        assert client.call_counts == {"cnaf": 1, "msa": 1}
        says(client, cnaf=file_of(ALIX), msa=NO_FILE)
        client.clear_received()
        assert (await ask(client)).summary == "200 CNAF"
        assert client.call_counts == {"cnaf": 1, "msa": 0}


@pytest.mark.parametrize("cnaf", [NO_FILE, Fault.UNAVAILABLE])
async def test_the_silence_of_the_hinted_provider_outweighs_the_other_s_absence(
    cnaf: SimulatedAnswer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mesh(environ=LATER_SILENT) as client:
        await known_at_the_msa(client)
        says(client, cnaf=cnaf, msa=Fault.SLOW)
        assert (await ask_while_msa_is_silent(client, monkeypatch)).summary == "504 10002 MSA"


async def test_silence_does_not_disprove_a_regime_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    async with mesh(environ=LATER_SILENT) as client:
        await known_at_the_msa(client)
        says(client, cnaf=NO_FILE, msa=Fault.SLOW)
        await ask_while_msa_is_silent(client, monkeypatch)
        says(client, cnaf=NO_FILE, msa=file_of(ALIX))
        client.clear_received()
        assert (await ask(client)).summary == "200 MSA"
        assert client.call_counts == {"cnaf": 0, "msa": 1}


async def test_a_file_at_the_other_provider_is_served_while_the_hinted_one_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with mesh(environ=LATER_SILENT) as client:
        await known_at_the_msa(client)
        says(client, cnaf=file_of(ALIX), msa=Fault.SLOW)
        assert (await ask_while_msa_is_silent(client, monkeypatch)).summary == "200 CNAF"
        client.clear_received()
        assert (await ask(client)).summary == "200 CNAF"
        assert client.call_counts == {"cnaf": 1, "msa": 0}


@pytest.mark.parametrize("people", ["CAF-NO-FILE MSA-NO-FILE", "CAF-UNIDENTIFIED MSA-UNIDENTIFIED"])
async def test_an_absence_is_not_remembered_as_a_regime(people: str) -> None:
    async with mesh() as client:
        first = await client.get(params=staged_query(people))
        again = await client.get(params=staged_query(people))
        assert (again.status, again.headers["X-Response-Cached"]) == (first.status, "false")
        assert client.call_counts == {"cnaf": 2, "msa": 2}


async def test_a_failure_is_not_remembered_as_a_regime() -> None:
    async with mesh() as client:
        says(client, cnaf=Fault.INTERNAL, msa=NO_FILE)
        assert (await ask(client)).summary == "502 23000 CNAF"
        says(client, cnaf=file_of(ALIX), msa=NO_FILE)
        assert (await ask(client)).summary == "200 CNAF"


async def test_a_found_answer_is_the_same_while_the_other_provider_fails() -> None:
    """Tests that the caller gets the MSA's data about a person whom the MSA knows, even while the CAF fails. Only a
    "not found" needs both providers (docs/reference/upstreams/regime.md §5 rule 4)."""
    async with mesh() as client:
        people = staged_query("CAF-UNAVAILABLE MSA-FOUND")
        await client.get(params=people)
        assert (await client.get(params=people)).headers["X-Response-Cached"] == "true"


# Julien has just moved to the MSA and is still at the CAF; what the MSA knows of Clarisse is a homonym's
# (docs/reference/upstreams/regime.md §6).
@pytest.mark.parametrize(
    ("nom", "month", "winner"),
    [
        ("MARCADET", {}, "MSA"),
        ("MARCADET", {"annee": 2026, "mois": 4}, "MSA"),
        ("MARCADET", {"annee": 2026, "mois": 3}, "CNAF"),
        ("MARCADET", {"annee": 2025}, "CNAF"),
        ("D'ARTIGUELOUVE", {}, "CNAF"),
    ],
)
async def test_one_file_wins_when_caf_and_msa_both_have_one(nom: str, month: dict[str, int], winner: str) -> None:
    async with mesh(hedge_after_s=0.0, today=date(2026, 4, 15)) as client:
        answer = await client.get(params=query_for(persona(nom), **month))
    assert answer.summary == f"200 {winner}"


async def test_two_files_are_counted_and_not_mixed() -> None:
    before = count("bouquet_gateway_regime_anomalies_total", anomaly="double_rattachement")
    async with mesh(hedge_after_s=0.0) as client:
        answer = await client.get(params=query_for(persona("MARCADET")))
    data = answer.json["data"]
    assert (data["quotient_familial"]["valeur"], data["adresse"]["lieu_dit"]) == (387, "LE MAS ROUGIER")
    assert count("bouquet_gateway_regime_anomalies_total", anomaly="double_rattachement") == before + 1


async def test_how_the_regime_was_known_is_counted() -> None:
    sources = [("cnaf", "first"), ("msa", "second"), ("msa", "hint"), ("none", "both")]
    before = [
        count("bouquet_gateway_regime_decisions_total", provider=provider, source=source)
        for provider, source in sources
    ]
    async with mesh() as client:
        for params in (CAF_ALLOCATAIRE, MSA_ALLOCATAIRE, MSA_ALLOCATAIRE, UNKNOWN_PERSON):
            await client.get(params=params, headers=FRESH)
    after = [
        count("bouquet_gateway_regime_decisions_total", provider=provider, source=source)
        for provider, source in sources
    ]
    assert [late - early for late, early in zip(after, before, strict=True)] == [1, 1, 1, 1]


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0
