"""Tests of the CNAF's worker on the simulated hub: its requests, and its reply to each answer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import yaml
from msgspec.structs import replace

from bouquet_cnaf.simulator import simulator
from bouquet_cnaf.worker import worker
from bouquet_hub.personas import CAF, MSA, NO_FILE, PERSONAS, TECHNICAL, File, Persona, Refusal, person_asked_for
from bouquet_hub.request import query_of
from bouquet_hub.simulator import SIMULATED_ANSWERS, TOKENS
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, Found, NotFound, Rejected, Reply
from bouquet_proto.quotient_familial import OPERATION, QuotientFamilial, birth_parts
from bouquet_worker.simulate import Fault
from bouquet_worker.testing.captured_telemetry import log_text_of
from tests.providers.worker_client import (
    PATIENCE_S,
    RECIPIENT,
    REQUEST_ID,
    SILENCE_S,
    WorkerClient,
    data_of,
    identite,
    worker_client,
)
from tests.support.openapi import assert_official
from tests.support.reference import REFERENCE, needs
from tests.support.spans import recorded_spans, span_text

MAELYS = identite("Le Gouadec", "Maëlys", "Inès")

FAULTS = {
    Fault.INTERNAL: "upstream_internal",
    Fault.RATE_LIMITED: "upstream_rate_limited",
    Fault.UNAVAILABLE: "upstream_unavailable",
    Fault.GATEWAY_TIMEOUT: "upstream_timeout",
    Fault.HTML: "upstream_malformed",
    Fault.TRUNCATED: "upstream_malformed",
    Fault.EMPTY: "upstream_malformed",
    Fault.REDIRECT: "upstream_redirected",
    Fault.SLOW: "upstream_timeout",
    Fault.CUT: "upstream_timeout",
}


@pytest.fixture
async def cnaf(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


def file_in(reply: Reply) -> QuotientFamilial:
    assert isinstance(reply, Found)
    return msgspec.json.decode(reply.data, type=QuotientFamilial)


def of(persona: Persona) -> Identite:
    who = persona.who
    named = identite(who.nom, who.prenoms, born=who.naissance, sexe=who.genre, commune=persona.commune)
    return replace(named, code_cog_insee_pays_naissance=persona.pays)


async def test_the_question_has_the_hubs_exact_form(cnaf: WorkerClient) -> None:
    await cnaf(OPERATION.id, MAELYS)
    question = cnaf.received[-1]
    assert (question.method, question.path, question.body) == ("GET", "/qf", b"")
    assert dict(question.query) == query_of(MAELYS) | {"anneeDemandee": "2026", "moisDemande": "04"}
    assert question.headers["Content-Type"] == "application/json"
    assert question.headers["X-Correlation-ID"] == REQUEST_ID
    assert question.headers["X-APIPART-FSFINAL"] == RECIPIENT


async def test_a_past_month_is_asked_for_in_two_digits(cnaf: WorkerClient) -> None:
    await cnaf(OPERATION.id, MAELYS, annee=2025, mois=3)
    asked = dict(cnaf.received[-1].query)
    assert (asked["anneeDemandee"], asked["moisDemande"]) == ("2025", "03")


async def test_the_token_is_asked_for_in_the_url_safe_alphabet(cnaf: WorkerClient) -> None:
    await cnaf(OPERATION.id, MAELYS)
    question = cnaf.received[0]
    assert (question.method, question.path) == ("POST", "/token")
    assert question.headers["Authorization"] == "Basic Ym91cXVldC1jbmFmOnMzY3IzdD8_Pz8_"
    assert question.body == b"grant_type=client_credentials&scope=simulateur.quotient_familial"


async def test_one_token_serves_several_questions(cnaf: WorkerClient) -> None:
    await cnaf(OPERATION.id, MAELYS)
    await cnaf(OPERATION.id, MAELYS)
    assert [question.path for question in cnaf.received] == ["/token", "/qf", "/qf"]


async def test_a_token_refused_before_its_time_is_renewed(cnaf: WorkerClient) -> None:
    await cnaf(OPERATION.id, MAELYS)
    cnaf.app[TOKENS].revoke_all()
    assert isinstance(await cnaf(OPERATION.id, MAELYS), Found)


async def test_a_file_becomes_the_contracts_resource(cnaf: WorkerClient) -> None:
    file = file_in(await cnaf(OPERATION.id, MAELYS))
    assert msgspec.structs.asdict(file.quotient_familial) == {
        "fournisseur": "CNAF",
        "valeur": 612,
        "annee": 2026,
        "mois": 4,
        "annee_calcul": 2026,
        "mois_calcul": 3,
    }
    assert [(person.nom_naissance, person.nom_usage) for person in file.allocataires] == [
        ("LE GOUADEC", "KERVENNIC"),
        ("KERVENNIC", None),
    ]
    assert [child.date_naissance for child in file.enfants] == ["2019-08-11", "2022-05-00"]
    assert file.adresse.destinataire == "MADAME KERVENNIC MAELYS"


async def test_a_quotient_of_zero_is_found(cnaf: WorkerClient) -> None:
    samira = replace(
        identite("Benzerti-Roche", "Samira", born="1991-00-00"),
        code_cog_insee_pays_naissance="99351",
        code_cog_insee_commune_naissance=None,
    )
    assert file_in(await cnaf(OPERATION.id, samira)).quotient_familial.valeur == 0


@pytest.mark.parametrize(
    ("word", "reply"),
    [
        ("NO-FILE", NotFound("no_file")),
        ("UNATTACHED", NotFound("unattached")),
        ("UNIDENTIFIED", Rejected("unidentified")),
        (
            "REJECTED",
            Rejected(
                "civil_status_refused", {"provider_error_code": 40013, "provider_error_message": "Civilité invalide"}
            ),
        ),
        ("INCOMPLETE", Failed("quotient_missing")),
        ("TECHNICAL", Failed("upstream_internal")),
    ],
)
async def test_each_outcome_of_the_regime_law_can_be_staged(cnaf: WorkerClient, word: str, reply: Reply) -> None:
    assert await cnaf(OPERATION.id, identite(f"CAF-{word}")) == reply


async def test_a_staged_file_lists_the_person_asked_for(cnaf: WorkerClient) -> None:
    reply = await cnaf(OPERATION.id, identite("CAF-FOUND MSA-SLOW", "Zoé"))
    assert file_in(reply).allocataires[0].prenoms == "ZOE"
    assert_official(OPERATION.id, data_of(reply))


@pytest.mark.parametrize(("fault", "reason"), FAULTS.items())
async def test_each_fault_has_its_reason(cnaf: WorkerClient, fault: Fault, reason: str) -> None:
    name = f"CAF-{fault.name.replace('_', '-')}"
    within_s = SILENCE_S if reason == "upstream_timeout" else PATIENCE_S
    assert await cnaf(OPERATION.id, identite(name), within_s=within_s) == Failed(reason)


async def test_whoever_the_hub_does_not_know_is_unidentified(cnaf: WorkerClient) -> None:
    assert await cnaf(OPERATION.id, identite("Nemo")) == Rejected("unidentified")


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.who.nom)
async def test_each_persona_is_what_its_row_says(cnaf: WorkerClient, persona: Persona) -> None:
    within_s = SILENCE_S if persona.answers[CAF] is Fault.SLOW else PATIENCE_S
    reply = await cnaf(OPERATION.id, of(persona), within_s=within_s)
    match persona.answers[CAF]:
        case File(body) if body["quotientFamilial"] is None:
            assert reply == Failed("quotient_missing")
        case File(body):
            assert file_in(reply).quotient_familial.valeur == body["quotientFamilial"]
            assert_official(OPERATION.id, data_of(reply))
        case Fault() as fault:
            assert reply == Failed(FAULTS[fault])
        case Refusal():
            assert isinstance(reply, NotFound | Rejected)


async def test_a_simulator_can_be_given_other_people(cnaf: WorkerClient) -> None:
    who = identite("Autre", "Anne")
    cnaf.app[SIMULATED_ANSWERS][person_asked_for(query_of(who))] = TECHNICAL
    assert await cnaf(OPERATION.id, who) == Failed("upstream_internal")
    cnaf.app[SIMULATED_ANSWERS][person_asked_for(query_of(who))] = NO_FILE
    assert await cnaf(OPERATION.id, who) == NotFound("no_file")


PUBLIC_CASES = REFERENCE / "cases" / "api_particulier_v3_cnav_quotient_familial_with_civility"


def public_cases() -> list[Any]:
    """Returns test parameters: the public cases of the quotient familial that have the status 200."""
    paths = sorted(PUBLIC_CASES.glob("200*.yaml"))
    return [pytest.param(yaml.safe_load(path.read_text()), id=path.stem) for path in paths]


@needs(PUBLIC_CASES)
@pytest.mark.parametrize("case", public_cases())
async def test_a_public_case_is_answered_with_its_data(cnaf: WorkerClient, case: dict[str, Any]) -> None:
    who, data = who_of(case["params"]), msgspec.json.decode(case["payload"])["data"]
    value = data["quotient_familial"]
    cnaf.app[SIMULATED_ANSWERS][person_asked_for(query_of(who))] = File(hub_answer_of(data))
    reply = await cnaf(OPERATION.id, who, annee=value["annee"], mois=value["mois"])
    assert isinstance(reply, Found)
    for person in (*data["allocataires"], *data["enfants"]):
        # Which the sandbox leaves out (docs/reference/contract.md §1.6.1).
        person |= birth_parts(person["date_naissance"])
    assert msgspec.json.decode(reply.data) == data


def who_of(params: dict[str, Any]) -> Identite:
    names = {
        "nomNaissance": "nom_naissance",
        "nomUsage": "nom_usage",
        "prenoms": "prenoms",
        "anneeDateNaissance": "annee_date_naissance",
        "moisDateNaissance": "mois_date_naissance",
        "jourDateNaissance": "jour_date_naissance",
        "sexeEtatCivil": "sexe_etat_civil",
        "codeCogInseePaysNaissance": "code_cog_insee_pays_naissance",
        "codeCogInseeCommuneNaissance": "code_cog_insee_commune_naissance",
    }
    return msgspec.convert({names[name]: value for name, value in params.items()}, Identite, strict=False)


def hub_answer_of(data: dict[str, Any]) -> dict[str, Any]:
    """Returns an answer of the hub that the worker turns into `data`."""
    person = {
        "nomNaissance": "nom_naissance",
        "nomUsage": "nom_usage",
        "listePrenoms": "prenoms",
        "dateNaissance": "date_naissance",
        "genre": "sexe",
    }
    address = {
        "identite": "destinataire",
        "complementInformation": "complement_information",
        "complementInformationGeo": "complement_information_geographique",
        "numeroLibelleVoie": "numero_libelle_voie",
        "lieuDit": "lieu_dit",
        "codePostalVille": "code_postal_ville",
        "pays": "pays",
    }
    value = data["quotient_familial"]
    return {
        "allocataires": [{hub: one[name] for hub, name in person.items()} for one in data["allocataires"]],
        "enfants": [{hub: one[name] for hub, name in person.items()} for one in data["enfants"]],
        "adresse": {hub: data["adresse"][name] for hub, name in address.items()},
        "quotientFamilial": value["valeur"],
        "annee": value["annee_calcul"],
        "mois": value["mois_calcul"],
    }


@pytest.mark.parametrize("name", ["CAF-FOUND", "CAF-HTML", "CAF-TRUNCATED", "CAF-REJECTED", "CAF-TECHNICAL"])
async def test_no_trace_nor_log_names_the_person(
    cnaf: WorkerClient, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    who = identite(f"{name} MSA-FOUND", "Ignace", born="1971-10-28")
    words = (name, "MSA-FOUND", "Ignace", "IGNACE", "1971-10-28", "19711028", "28/10/1971")
    with caplog.at_level(logging.DEBUG), recorded_spans() as spans:
        await cnaf(OPERATION.id, who)
        told = "".join(map(log_text_of, caplog.records)) + "".join(map(span_text, spans.get_finished_spans()))
    assert not [value for value in words if value in told]


def test_errors_of_the_worker_are_in_the_name_of_the_cnaf() -> None:
    authority = worker.offer().authority
    assert (authority.label, authority.prefix) == ("CNAF", "23")


def test_both_funds_have_their_say_of_every_persona() -> None:
    assert all(persona.answers.keys() == {CAF, MSA} for persona in PERSONAS)
