"""Tests of dossiers over HTTP: parts side by side, persons of a `for_each`, rate limit, sessions, records and spans."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw
from prometheus_client import REGISTRY, generate_latest

from bouquet_gateway.journal import sender
from bouquet_gateway.lookup.people import MAX_PEOPLE
from bouquet_mesh.outbox.memory import MemoryOutbox
from bouquet_proto import access_record
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, Found, NotFound, Rejected
from tests.support.clock import Clock, skip_time
from tests.support.gateway_client import Answer, token
from tests.support.mesh_with_journal import journal_settings
from tests.support.outbox_collector import collecting
from tests.support.sandbox_gateway import NOBODY, OPERATIONS
from tests.support.scripted_providers import (
    ALL_SCOPES,
    CITIZEN,
    CIVIL_STATUS,
    OF_ONE_PART,
    SESSION,
    DossierClient,
    data_of,
    dossier_body,
    scripted_gateway,
)
from tests.support.spans import recorded_spans, span_text
from tests.support.waiting import until

QF_ID = "api_particulier_v3_cnav_quotient_familial_with_civility"
AEEH_ID = "api_particulier_v3_cnav_allocation_enfant_handicape_with_civility"
ETUDES_ID = "api_particulier_v3_mesri_statut_etudiant_with_ine"
QF = {"operation": "dss/quotient_familial"}
ETUDES = {"operation": "mesri/statut_etudiant", "modality": "ine"}
STATUT = {"operation": "france_travail/statut"}
AEEH = {
    "operation": "dss/allocation_enfant_handicape",
    "for_each": "qf.enfants",
    "with": {"codeCogInseePaysNaissance": "99100"},
}
SCOPES_WITHOUT_CHILDREN = sorted(ALL_SCOPES - {"cnaf_enfants"})


def child(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "nom_naissance": "LE GOUADEC",
        "nom_usage": None,
        "prenoms": name,
        "date_naissance": "2016-03-00",
        "sexe": "M",
        **changes,
    }


def household(*children: dict[str, Any]) -> dict[str, Any]:
    return {**data_of(QF_ID), "enfants": list(children)}


@pytest.fixture
async def client() -> AsyncIterator[DossierClient]:
    async with scripted_gateway() as opened:
        yield opened


def statuses(answer: Answer) -> dict[str, Any]:
    """Returns the status of each part, or the statuses of its persons."""
    return {
        name: [one["status"] for one in part["parts"]] if "parts" in part else part["status"]
        for name, part in answer.json["data"].items()
    }


def codes(part: Any) -> list[str]:
    return [error["code"] for error in part["errors"]]


async def test_a_dossier_answers_each_part_with_its_provider_and_time(client: DossierClient) -> None:
    client.script.replies[ETUDES_ID] = NotFound("unknown_student")
    answer = await client.post({"etudes": ETUDES, "qf": QF})
    qf, etudes = answer.json["data"]["qf"], answer.json["data"]["etudes"]
    assert (answer.status, list(answer.json["data"]), answer.json["links"]) == (200, ["etudes", "qf"], {})
    assert answer.json["meta"].keys() == {"complete", "duration_ms"}
    assert answer.json["meta"]["complete"]
    assert (qf["status"], qf["provider"], qf["cached"]) == ("found", "CNAF", False)
    assert (etudes["status"], etudes["provider"], codes(etudes)) == ("not_found", "MESRI", ["25003"])
    assert qf["obtained_at"].endswith("Z")


async def test_a_cached_part_has_the_time_at_which_it_was_obtained(client: DossierClient) -> None:
    first, again = [await client.part(QF) for _ in range(2)]
    assert (again["cached"], again["provider"], again["data"]) == (True, "CNAF & MSA", first["data"])
    assert again["obtained_at"] <= first["obtained_at"]
    assert len([lookup for lookup in client.script.lookups if lookup.operation == QF_ID]) == 1


async def test_the_parts_are_asked_side_by_side(client: DossierClient) -> None:
    client.script.held = {QF_ID: asyncio.Event(), ETUDES_ID: asyncio.Event()}
    call = asyncio.create_task(client.post({"qf": QF, "etudes": ETUDES}))
    await until(lambda: {lookup.operation for lookup in client.script.lookups} == {QF_ID, ETUDES_ID})
    for held in client.script.held.values():
        held.set()
    assert statuses(await call) == {"qf": "found", "etudes": "found"}


async def test_a_silent_provider_costs_its_own_part_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted_gateway(deadline_s=30.0) as client:
        client.script.held = {ETUDES_ID: asyncio.Event()}
        before = found_parts()
        call = asyncio.create_task(client.post({"etudes": ETUDES, "statut": STATUT}))
        await until(lambda: call.done() or (found_parts() > before and len(client.script.lookups) == 2))
        skip_time(monkeypatch, 30.0)
        answer = await call
        client.script.held[ETUDES_ID].set()
    assert statuses(answer) == {"etudes": "failed", "statut": "found"}
    assert not answer.json["meta"]["complete"]


def found_parts() -> float:
    """Returns how many parts of dossiers this process has found."""
    return REGISTRY.get_sample_value("bouquet_gateway_dossier_parts_total", {"status": "found"}) or 0.0


async def test_identical_parts_are_asked_once_and_are_no_conflict(client: DossierClient) -> None:
    answer = await client.post({"one": ETUDES, "same": {**ETUDES, "version": 3}, "other": STATUT})
    assert statuses(answer) == {"one": "found", "same": "found", "other": "found"}
    assert [lookup.operation for lookup in client.script.lookups].count(ETUDES_ID) == 1


async def test_a_call_in_flight_by_the_same_caller_is_a_conflict_of_its_part_alone(client: DossierClient) -> None:
    client.script.held = {ETUDES_ID: asyncio.Event()}
    one = asyncio.create_task(client.part(ETUDES))
    await until(lambda: bool(client.script.lookups))
    other = await client.post({"etudes": ETUDES, "statut": STATUT})
    client.script.held[ETUDES_ID].set()
    assert statuses(other) == {"etudes": "refused", "statut": "found"}
    assert codes(other.json["data"]["etudes"]) == ["00015"]
    assert (await one)["status"] == "found"


async def test_a_part_whose_scope_is_not_held_asks_nobody(client: DossierClient) -> None:
    answer = await client.post({"qf": QF, "statut": STATUT}, scopes=["cnaf_quotient_familial"])
    assert statuses(answer) == {"qf": "found", "statut": "refused"}
    assert codes(answer.json["data"]["statut"]) == ["00100"]
    assert {lookup.operation for lookup in client.script.lookups} == {QF_ID}


async def test_a_field_whose_scope_is_not_held_is_absent(client: DossierClient) -> None:
    part = await client.part(QF, scopes=["cnaf_adresse"])
    assert set(part["data"]) == {"adresse"}


async def test_a_wrong_parameter_is_its_part_s_alone(client: DossierClient) -> None:
    answer = await client.post({"qf": {**QF, "parameters": {"mois": 13}}, "statut": STATUT})
    assert statuses(answer) == {"qf": "rejected", "statut": "found"}
    assert codes(answer.json["data"]["qf"]) == ["00354"]
    assert not {"provider", "obtained_at", "cached"} & answer.json["data"]["qf"].keys()


async def test_a_provider_s_wait_is_told_with_its_part(client: DossierClient) -> None:
    client.script.replies[ETUDES_ID] = Failed("upstream_rate_limited", retry_in_s=30)
    part = await client.part(ETUDES)
    assert (part["status"], part["retry_in"]) == ("failed", 30)


WHOLE: dict[str, tuple[dict[str, Any], int, list[str]]] = {
    "no token": ({"token": ""}, 401, ["00101"]),
    "bad token": ({"token": "forged"}, 401, ["00101"]),
    "expired token": ({"token": token(*ALL_SCOPES, valid_s=-1)}, 401, ["00103"]),
    "faults": ({"recipient": "1", "nom": "DURANT"}, 422, ["00481", "00210"]),
    "a body too large": ({"ine": "x" * 65_536}, 413, ["00494"]),
}


@pytest.mark.parametrize("wrong", WHOLE)
async def test_a_request_that_is_wrong_as_a_whole_asks_nobody(client: DossierClient, wrong: str) -> None:
    changes, status, expected = WHOLE[wrong]
    answer = await client.post({"qf": QF}, **changes)
    assert (answer.status, answer.codes) == (status, expected)
    assert client.script.asked == []


async def test_the_token_may_be_an_api_key(client: DossierClient) -> None:
    answer = await client.post({"etudes": ETUDES}, token="", headers={"X-Api-Key": client.token})
    assert statuses(answer) == {"etudes": "found"}


# --- persons of a for_each ---


async def test_each_person_of_a_list_is_asked_about(client: DossierClient) -> None:
    client.script.find(QF_ID, household(child("Zoé Anne"), child("YANN", nom_usage="MARTIN", sexe="F")))
    answer = await client.post({"aeeh": AEEH, "qf": QF})
    asked = [lookup.identity for lookup in client.script.lookups if lookup.operation == AEEH_ID]
    assert statuses(answer) == {"aeeh": ["found", "found"], "qf": "found"}
    born: dict[str, Any] = {"annee_date_naissance": 2016, "mois_date_naissance": 3}
    place: dict[str, Any] = {"code_cog_insee_pays_naissance": "99100"}
    zoe, yann = sorted(asked, key=lambda who: str(who), reverse=True)
    assert zoe == Identite(nom_naissance="LE GOUADEC", prenoms=("Zoé", "Anne"), sexe_etat_civil="M", **born, **place)
    assert yann == Identite(
        nom_naissance="LE GOUADEC", nom_usage="MARTIN", prenoms=("YANN",), sexe_etat_civil="F", **born, **place
    )


async def test_a_field_of_the_answer_counts_before_with(client: DossierClient) -> None:
    client.script.find(QF_ID, household(child("ZOE")))
    another = {**AEEH["with"], "nomNaissance": "DURANT", "anneeDateNaissance": 1990}  # type: ignore[dict-item]
    await client.post({"qf": QF, "aeeh": {**AEEH, "with": another}})
    [asked] = [lookup.identity for lookup in client.script.lookups if lookup.operation == AEEH_ID]
    assert isinstance(asked, Identite)
    assert (asked.nom_naissance, asked.annee_date_naissance) == ("LE GOUADEC", 2016)


async def test_a_person_without_a_mandatory_field_is_rejected_and_nobody_is_asked(client: DossierClient) -> None:
    client.script.find(QF_ID, household(child("ZOE"), child("ADA", nom_naissance=None)))
    answer = await client.post({"qf": QF, "aeeh": {name: AEEH[name] for name in ("operation", "for_each")}})
    parts = answer.json["data"]["aeeh"]["parts"]
    assert [codes(part) for part in parts] == [["00400"], ["00400", "00420"]]
    assert statuses(answer)["aeeh"] == ["rejected", "rejected"]
    assert AEEH_ID not in {lookup.operation for lookup in client.script.lookups}


async def test_a_list_outside_the_caller_s_scopes_is_refused(client: DossierClient) -> None:
    client.script.find(QF_ID, household(child("ZOE")))
    answer = await client.post({"qf": QF, "aeeh": AEEH}, scopes=SCOPES_WITHOUT_CHILDREN)
    assert statuses(answer) == {"qf": "found", "aeeh": "refused"}
    assert codes(answer.json["data"]["aeeh"]) == ["00100"]
    assert AEEH_ID not in {lookup.operation for lookup in client.script.lookups}


async def test_a_household_without_children_has_no_parts(client: DossierClient) -> None:
    client.script.find(QF_ID, household())
    answer = await client.post({"qf": QF, "aeeh": AEEH})
    assert (statuses(answer)["aeeh"], answer.json["meta"]["complete"]) == ([], True)


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (NotFound("no_file"), "not_found"),
        (Rejected("unidentified"), "rejected"),
        (Failed("upstream_unavailable"), "failed"),
    ],
)
async def test_without_its_other_part_a_for_each_has_the_error_of_that_part(
    client: DossierClient, reply: Any, status: str
) -> None:
    client.script.replies[QF_ID] = reply
    answer = await client.post({"qf": QF, "aeeh": AEEH})
    assert statuses(answer) == {"qf": status, "aeeh": status}
    assert answer.json["data"]["aeeh"]["errors"] == answer.json["data"]["qf"]["errors"]


async def test_at_most_twelve_persons_of_a_list_are_asked_about(client: DossierClient) -> None:
    client.script.find(QF_ID, household(*(child(f"A{'B' * number}") for number in range(14))))
    answer = await client.post({"qf": QF, "aeeh": AEEH})
    assert statuses(answer)["aeeh"] == ["found"] * 12 + ["rejected"] * 2
    assert codes(answer.json["data"]["aeeh"]["parts"][-1]) == ["00482"]


async def test_a_list_that_never_ends_has_a_bounded_number_of_results(client: DossierClient) -> None:
    client.script.find(QF_ID, household(*[child("ZOE")] * 600))
    answer = await client.post({"qf": QF, "aeeh": AEEH})
    assert statuses(answer)["aeeh"] == ["found"] * 12 + ["rejected"] * (MAX_PEOPLE - 12)


async def test_a_person_who_is_twice_in_a_list_is_asked_about_once(client: DossierClient) -> None:
    client.script.find(QF_ID, household(child("ZOE"), child("ZOE")))
    answer = await client.post({"qf": QF, "aeeh": AEEH})
    assert statuses(answer)["aeeh"] == ["found", "found"]
    assert [lookup.operation for lookup in client.script.lookups].count(AEEH_ID) == 1


async def test_a_client_that_hangs_up_ends_what_has_not_begun(client: DossierClient) -> None:
    client.script.find(QF_ID, household(child("ZOE")))
    held = client.script.held[QF_ID] = asyncio.Event()
    call = asyncio.create_task(client.post({"qf": QF, "aeeh": AEEH}))
    await until(lambda: bool(client.script.lookups))
    call.cancel()
    await asyncio.wait([call])
    await until(lambda: in_flight() == 1)
    held.set()
    await until(lambda: in_flight() == 0)
    assert AEEH_ID not in {lookup.operation for lookup in client.script.lookups}


def in_flight() -> float | None:
    return REGISTRY.get_sample_value("bouquet_gateway_requests_in_flight")


# --- answers in lines ---

LINES = {"Accept": "application/x-ndjson"}


async def test_lines_tell_each_part_as_soon_as_it_is_known(client: DossierClient) -> None:
    held = client.script.held[QF_ID] = asyncio.Event()
    body = dossier_body({"qf": QF, "statut": STATUT})
    headers = {"Authorization": f"Bearer {client.token}", **LINES}
    async with client.session.post(f"{client.url}/bouquet/v1/dossiers", data=body, headers=headers) as response:
        first = json.loads(await response.content.readline())
        held.set()
        rest = [json.loads(line) async for line in response.content]
    assert (response.status, response.content_type) == (200, LINES["Accept"])
    assert all(name in response.headers for name in ("X-Request-Id", "RateLimit-Remaining", "Cache-Control"))
    assert first["data"]["statut"]["status"] == "found"
    assert rest[0]["data"]["qf"]["status"] == "found"
    assert (len(rest), rest[1]["meta"]["complete"]) == (2, True)


async def test_lines_hold_what_the_whole_answer_holds(client: DossierClient) -> None:
    client.script.find(QF_ID, household(child("ZOE")))
    resources = {"qf": QF, "aeeh": AEEH, "etudes": ETUDES}
    await client.post(resources)  # so that both answers come from the cache, where there is one
    whole, lines = await client.post(resources), await client.post(resources, headers=LINES)
    told = [json.loads(line) for line in lines.body.splitlines()]
    parts = {name: part for line in told[:-1] for name, part in line["data"].items()}
    assert {name: without_time(part) for name, part in parts.items()} == {
        name: without_time(part) for name, part in whole.json["data"].items()
    }


async def test_line_breaks_in_the_data_of_a_provider_break_no_line(client: DossierClient) -> None:
    forged = {"data": {"statut": {"status": "found", "data": {}}}}
    words = json.dumps(household(child("ZOE")), indent=1).replace("ZOE", "\\n" + json.dumps(json.dumps(forged))[1:-1])
    client.script.replies[QF_ID] = Found(Raw(words.replace("\n", "\r\n").encode()))
    answer = await client.post({"qf": QF}, headers=LINES)
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert [list(line) for line in lines] == [["data"], ["links", "meta"]]
    assert lines[0]["data"]["qf"]["data"]["enfants"][0]["prenoms"] == "\n" + json.dumps(forged)


def without_time(part: Any) -> Any:
    if "parts" in part:
        return [without_time(one) for one in part["parts"]]
    return {name: value for name, value in part.items() if name != "obtained_at"}


async def test_an_error_of_the_whole_is_no_line(client: DossierClient) -> None:
    answer = await client.post({"qf": {"operation": "dss/nothing"}}, headers=LINES)
    assert (answer.status, answer.codes) == (422, ["00483"])


async def test_a_client_that_hangs_up_ends_a_dossier_in_lines(client: DossierClient) -> None:
    client.script.find(QF_ID, household(child("ZOE")))
    held = client.script.held[QF_ID] = asyncio.Event()
    headers = {"Authorization": f"Bearer {client.token}", **LINES}
    body = dossier_body({"qf": QF, "aeeh": AEEH, "statut": STATUT})
    async with client.session.post(f"{client.url}/bouquet/v1/dossiers", data=body, headers=headers) as response:
        await response.content.readline()
        response.close()
    await until(lambda: in_flight() == 1)
    held.set()
    await until(lambda: in_flight() == 0)
    assert AEEH_ID not in {lookup.operation for lookup in client.script.lookups}


# --- the rate limit ---

NOW = 1_776_240_000.25


async def test_all_named_parts_are_counted_together_before_anybody_is_asked() -> None:
    async with scripted_gateway(calls_per_second=5, epoch_s=Clock(NOW)) as client:
        resources = {f"p{number}": {**STATUT, "parameters": {"identifiant": f"a{number}"}} for number in range(3)}
        first, second = await client.post(resources), await client.post(resources)
    assert (first.status, first.headers["RateLimit-Remaining"]) == (200, "2")
    assert (second.status, second.codes, second.headers["Retry-After"]) == (429, ["00429"], "1")
    assert len(client.script.lookups) == 3


async def test_persons_beyond_the_rate_limit_are_refused_with_the_time_to_wait() -> None:
    async with scripted_gateway(calls_per_second=3, epoch_s=Clock(NOW)) as client:
        client.script.find(QF_ID, household(child("ZOE"), child("YANN"), child("ADA")))
        answer = await client.post({"qf": QF, "aeeh": AEEH})
    refused = answer.json["data"]["aeeh"]["parts"][2]
    assert statuses(answer) == {"qf": "found", "aeeh": ["found", "found", "refused"]}
    assert (codes(refused), refused["retry_in"]) == (["00429"], 1)
    assert [lookup.operation for lookup in client.script.lookups].count(AEEH_ID) == 2


async def test_a_token_without_rate_limit_has_none_in_dossiers_either() -> None:
    exempt = token(*ALL_SCOPES)
    digest = sha256(exempt.encode()).hexdigest()
    async with scripted_gateway(calls_per_second=1, epoch_s=Clock(NOW), exempt_tokens=(digest,)) as client:
        client.script.find(QF_ID, household(child("ZOE"), child("YANN")))
        answer = await client.post({"qf": QF, "statut": STATUT, "aeeh": AEEH}, token=exempt)
    assert statuses(answer) == {"qf": "found", "statut": "found", "aeeh": ["found", "found"]}


async def test_a_dossier_with_faults_counts_as_one_call() -> None:
    async with scripted_gateway(calls_per_second=5, epoch_s=Clock(NOW)) as client:
        answer = await client.post({f"p{number}": {"operation": "dss/nothing"} for number in range(20)})
    assert (answer.status, answer.headers["RateLimit-Remaining"]) == (422, "4")


# --- FranceConnect sessions ---

PRIME = {"operation": "dss/prime_activite", "modality": "france_connect"}
QF_OF_CITIZEN = {**QF, "modality": "france_connect"}


async def test_a_session_opens_only_parts_by_france_connect(client: DossierClient) -> None:
    answer = await client.post({"prime": PRIME, "qf": QF_OF_CITIZEN, "etudes": ETUDES}, token=SESSION)
    assert statuses(answer) == {"prime": "found", "qf": "found", "etudes": "refused"}
    assert codes(answer.json["data"]["etudes"]) == ["00100"]
    assert {lookup.identity for lookup in client.script.lookups} == {CITIZEN}


async def test_a_session_never_opens_other_persons(client: DossierClient) -> None:
    client.script.find(QF_ID.replace("civility", "france_connect"), household(child("ZOE")))
    answer = await client.post({"qf": QF_OF_CITIZEN, "aeeh": AEEH}, token=SESSION)
    assert statuses(answer) == {"qf": "found", "aeeh": "refused"}
    assert codes(answer.json["data"]["aeeh"]) == ["00100"]
    assert {lookup.identity for lookup in client.script.lookups} == {CITIZEN}


async def test_a_token_beside_a_session_opens_nothing_more(client: DossierClient) -> None:
    headers = {"X-Api-Key": client.token}
    answer = await client.post({"prime": PRIME, "etudes": ETUDES}, token=SESSION, headers=headers)
    assert statuses(answer) == {"prime": "found", "etudes": "refused"}


async def test_an_unknown_session_is_refused_as_a_single_call_is(client: DossierClient) -> None:
    answer = await client.post({"prime": PRIME, "etudes": ETUDES}, token="unknown")
    assert {name: codes(part) for name, part in answer.json["data"].items()} == {
        "prime": ["51502"],
        "etudes": ["00100"],
    }


async def test_a_token_of_ours_opens_no_session(client: DossierClient) -> None:
    answer = await client.post({"prime": PRIME, "etudes": ETUDES})
    assert statuses(answer) == {"prime": "refused", "etudes": "found"}
    assert codes(answer.json["data"]["prime"]) == ["51502"]


# --- record, metrics and trace of each part ---


async def test_each_part_leaves_a_record_of_its_own_under_one_request_id_and_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "PAUSE_S", 0.01)
    outbox = MemoryOutbox()
    settings = journal_settings(tmp_path / "spool")
    async with collecting(outbox) as archive, scripted_gateway(outbox, **settings) as client:
        client.script.find(QF_ID, household(child("ZOE")))
        answer = await client.post({"qf": QF, "aeeh": AEEH, "statut": {**STATUT, "parameters": {"identifiant": ""}}})
        await until(lambda: len(archive.bodies) >= 3)
    records = [access_record.decode(body) for body in archive.bodies]
    assert sorted((record.operation, record.outcome, record.code) for record in records) == [
        ("api_particulier_v3_cnav_allocation_enfant_handicape_with_civility", "found", ""),
        ("api_particulier_v3_cnav_quotient_familial_with_civility", "found", ""),
        ("api_particulier_v3_france_travail_statut_with_identifiant", "refused", "00380"),
    ]
    assert {record.request_id for record in records} == {answer.headers["X-Request-Id"]}
    assert len({record.trace_id for record in records}) == 1


async def test_a_dossier_refused_as_a_whole_leaves_one_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "PAUSE_S", 0.01)
    outbox = MemoryOutbox()
    async with (
        collecting(outbox) as archive,
        scripted_gateway(outbox, **journal_settings(tmp_path / "spool")) as client,
    ):
        await client.post({"qf": {"operation": "dss/nothing"}})
        await until(lambda: bool(archive.bodies))
    [record] = [access_record.decode(body) for body in archive.bodies]
    assert (record.operation, record.outcome, record.code, record.person) == ("dossiers", "refused", "00483", "")


async def test_no_value_of_a_dossier_is_in_a_log_a_span_or_a_metric(
    client: DossierClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client.script.find(QF_ID, household(child("SECRETCHILD")))
    wrong = {"x": {**QF, "parameters": {"nomNaissance": "SECRETNAME", "prenoms": {"SECRETNAME": 1}}}}
    with recorded_spans() as exporter:
        await client.post({"qf": QF, "aeeh": AEEH}, identite={**CIVIL_STATUS, "nomNaissance": "SECRETNAME"})
        refused = await client.post({**wrong, "SECRETNAME": QF})
        spans = "".join(map(span_text, exporter.get_finished_spans()))
    logs = "".join(str(vars(record)) for record in caplog.records)
    assert refused.status == 422
    assert "SECRET" not in logs + spans + generate_latest(REGISTRY).decode() + refused.body.decode()


async def test_each_part_is_counted_under_its_operation(client: DossierClient) -> None:
    def answered(operation: str, version: str) -> float:
        labels = {"operation": operation, "version": version, "status": "200", "fault": ""}
        return REGISTRY.get_sample_value("bouquet_gateway_requests_total", labels) or 0

    before = [answered(QF_ID, "v3"), answered("dossiers", "")]
    await client.post({"qf": QF, "statut": STATUT})
    assert [answered(QF_ID, "v3"), answered("dossiers", "")] == [before[0] + 1, before[1] + 1]


async def test_the_results_of_a_dossier_are_counted_by_their_status(client: DossierClient) -> None:
    def results(status: str) -> float:
        return REGISTRY.get_sample_value("bouquet_gateway_dossier_parts_total", {"status": status}) or 0

    client.script.find(QF_ID, household(child("ZOE"), child("TOM")))
    before = [results("found"), results("rejected")]
    await client.post({"qf": QF, "aeeh": AEEH, "statut": {**STATUT, "parameters": {"identifiant": ""}}})
    assert [results("found"), results("rejected")] == [before[0] + 3, before[1] + 1]


async def test_each_part_has_a_span_below_that_of_the_dossier(client: DossierClient) -> None:
    with recorded_spans() as exporter:
        await client.post({"qf": QF, "statut": STATUT})
        spans = exporter.get_finished_spans()
    [whole] = [span for span in spans if span.name == "POST"]
    below = {span.name for span in spans if span.parent and span.parent.span_id == whole.context.span_id}
    assert below == {"GET /v3/dss/quotient_familial/identite", "GET /v3/france_travail/statut/identifiant"}


# --- what would be a second way to data ---


async def test_a_part_cannot_ask_for_another_recipient(client: DossierClient) -> None:
    answer = await client.post({"qf": {**QF, "parameters": {"recipient": "35600000000048"}}})
    assert (answer.status, client.script.asked) == (422, [])


async def test_a_bomb_of_parts_asks_no_more_than_the_rate_limit_allows() -> None:
    async with scripted_gateway(calls_per_second=20, epoch_s=Clock(NOW)) as client:
        client.script.find(QF_ID, household(*(child(f"A{'B' * number}") for number in range(12))))
        school = {"parameters": {name: NOBODY[name] for name in OF_ONE_PART}}
        bomb = {
            f"p{number}": {**AEEH, **school, "with": {"codeCogInseePaysNaissance": f"991{number:02}"}}
            for number in range(19)
        }
        answer = await client.post({"qf": QF, **bomb})
    children = [status for name, found in statuses(answer).items() if name != "qf" for status in found]
    assert (len(children), children.count("found")) == (19 * 12, 19)
    assert len(client.script.lookups) == 20


def test_the_operations_of_these_tests_exist() -> None:
    assert {QF_ID, AEEH_ID, ETUDES_ID} <= OPERATIONS.keys()
