"""Tests of the DSNJ's worker on its simulator: its requests, the status that it publishes, and its reply to each error
and to each recorded answer."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import pytest
from msgspec import structs

from bouquet_dsnj.contract import FRANCE_CONNECT, IDENTITE, UNKNOWN_PERSON
from bouquet_dsnj.simulator import MALFORMED as TECHNICAL_ERROR
from bouquet_dsnj.simulator import PATH, SIMULATED_ANSWERS, TOKEN, simulator
from bouquet_dsnj.worker import worker
from bouquet_proto.failures import PERIMETER
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, NotFound, Reply
from bouquet_worker.simulate import Fault
from bouquet_worker.testing.captured_telemetry import log_text_of
from tests.providers.faults import REASONS
from tests.providers.worker_client import SILENCE_S, WorkerClient, data_of, identite, worker_client
from tests.support.openapi import assert_official, upstream_sample
from tests.support.reference import REFERENCE

MAIWENN = identite("Le Goff", "Maïwenn", "Rozenn", born="2005-06-17", commune="29039")
SPOKEN_OF = identite("Vernouillat", "Gaspard", born="2004-08-27", sexe="M")
"""Person in tests where the test itself, not the simulator's data, determines the DSNJ's answer."""


@pytest.fixture
async def dsnj(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerClient]:
    async with worker_client(worker, simulator, monkeypatch) as asked:
        yield asked


async def ask(dsnj: WorkerClient, who: Identite, operation: str = IDENTITE.id, **options: Any) -> Reply:
    return await dsnj(operation, who, **options)


async def reply_to(dsnj: WorkerClient, status: int, body: Any) -> Reply:
    dsnj.app[SIMULATED_ANSWERS]["VERNOUILLAT"] = (status, body)
    return await ask(dsnj, SPOKEN_OF)


async def sent(dsnj: WorkerClient, who: Identite) -> Any:
    """Returns the civil status that is sent to the DSNJ for a person."""
    await ask(dsnj, who)
    [search] = [json.loads(received.body) for received in dsnj.received]
    [pivot] = search.pop("identites_pivot")
    assert search == {}
    return pivot


def answer(**result: Any) -> dict[str, Any]:
    return {"return_code": "OK", "results": [result]}


# What is sent


@pytest.mark.parametrize("operation", [IDENTITE.id, FRANCE_CONNECT.id])
async def test_a_request_carries_the_token_and_the_headers_that_the_firewall_wants(
    dsnj: WorkerClient, operation: str
) -> None:
    await ask(dsnj, MAIWENN, operation)
    [call] = dsnj.received
    assert (call.method, call.path, call.query) == ("POST", PATH, ())
    assert call.headers["Authorization"] == f"Bearer {TOKEN}"
    assert call.headers["Content-Type"] == "application/json; charset=utf-8"
    assert call.headers["User-Agent"] == "curl/8.15.0"


async def test_names_are_sent_in_ascii_with_capitals_as_the_dsnj_writes_them(dsnj: WorkerClient) -> None:
    who = identite("d'Hérouville-Lebœuf", "JEAN-PAUL", "Zoë", born="2007-03-01", sexe="M", commune="29232")
    assert await sent(dsnj, who) == {
        "given_name": "Jean-paul",
        "family_name": "D'HEROUVILLE-LEBOEUF",
        "birthdate": "2007-03-01",
        "gender": "male",
        "birthplace": "29232",
        "birthcountry": "99100",
    }


async def test_a_commune_is_sent_for_a_birth_in_france_alone(dsnj: WorkerClient) -> None:
    pivot = await sent(dsnj, structs.replace(MAIWENN, code_cog_insee_pays_naissance="99331"))
    assert (pivot["birthplace"], pivot["birthcountry"], pivot["gender"]) == (None, "99331", "female")


# What is published


@pytest.mark.parametrize(
    ("label", "published"),
    {
        "En règle": "en_regle",
        "Pas en règle": "pas_en_regle",
        "Indéterminé": "indetermine",
        "Non concerné": "non_concerne",
        "Exempté": None,
        "": None,
        None: None,
    }.items(),
)
async def test_each_label_has_its_status(dsnj: WorkerClient, label: str | None, published: str | None) -> None:
    data = data_of(await reply_to(dsnj, 200, answer(code="OK", en_regle=label)))
    assert data == {"statut_service_national": published, "commentaires": None}


@pytest.mark.parametrize(("comment", "published"), [("JDC effectuée", "JDC effectuée"), (" ", None), (None, None)])
async def test_a_blank_comment_is_null(dsnj: WorkerClient, comment: str | None, published: str | None) -> None:
    data = data_of(await reply_to(dsnj, 200, answer(code="OK", en_regle="En règle", complement=comment)))
    assert data["commentaires"] == published
    assert_official(IDENTITE.id, data)


# What goes wrong (docs/reference/upstreams/dsnj.md §3)

UNKNOWN, MALFORMED = Failed("upstream_unknown"), Failed("upstream_malformed")
IN_ORDER, NOT_FOUND = {"code": "OK", "en_regle": "En règle"}, {"code": "NON_TROUVE"}
NO_ANSWERS: tuple[Any, ...] = (
    None,
    [],
    {},
    TECHNICAL_ERROR,
    TECHNICAL_ERROR | {"results": [NOT_FOUND]},
    {"return_code": "OK"},
    {"return_code": "OK", "results": None},
    {"return_code": "OK", "results": []},
    {"return_code": "OK", "results": [IN_ORDER, IN_ORDER]},
    {"return_code": "OK", "results": [NOT_FOUND, NOT_FOUND]},
    answer(code="ERREUR_FORMAT"),
    answer(en_regle="En règle"),
    answer(code="OK"),
    answer(code="OK", en_regle=True),
)


@pytest.mark.parametrize(
    ("status", "body", "reply"),
    [
        (200, answer(**NOT_FOUND), NotFound(UNKNOWN_PERSON)),
        *((200, body, MALFORMED) for body in NO_ANSWERS),
        *((status, answer(**NOT_FOUND), UNKNOWN) for status in (201, 204, 400, 401, 403, 404, 409, 429, 500)),
        (502, answer(**NOT_FOUND), Failed("upstream_unavailable")),
        (503, answer(**NOT_FOUND), Failed("upstream_unavailable")),
        (504, answer(**NOT_FOUND), Failed("upstream_timeout")),
    ],
)
async def test_every_answer_has_its_reply(dsnj: WorkerClient, status: int, body: Any, reply: Reply) -> None:
    assert await reply_to(dsnj, status, body) == reply


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (TECHNICAL_ERROR, "$.return_code"),
        (answer(code="VERNOUILLAT"), "$.results[0].code"),
        (answer(code="OK", en_regle=["VERNOUILLAT"]), "$.results[0].en_regle"),
        (answer(code="OK", en_regle=None, complement=2004), "$.results[0].complement"),
    ],
)
async def test_a_wrong_field_is_named_and_never_quoted(
    dsnj: WorkerClient, caplog: pytest.LogCaptureFixture, body: Any, field: str
) -> None:
    with caplog.at_level(logging.INFO):
        assert await reply_to(dsnj, 200, body) == MALFORMED
    assert field in [getattr(record, "field", "") for record in caplog.records]
    said = "".join(map(log_text_of, caplog.records))
    assert not [word for word in ("VERNOUILLAT", "Gaspard", "2004") if word in said]


@pytest.mark.parametrize(
    ("fault", "reason"),
    ({**REASONS, HTTPStatus.UNAUTHORIZED: "upstream_unknown"}).items(),
)
async def test_every_fault_is_a_failure(dsnj: WorkerClient, fault: Fault | HTTPStatus, reason: str) -> None:
    who = identite(f"panne-{fault.name.replace('_', '-')}", "Gaspard", born="2004-08-27")
    assert await ask(dsnj, who) == Failed(reason)


async def test_a_silent_dsnj_ends_with_the_deadline(dsnj: WorkerClient) -> None:
    who = identite("panne-slow", "Gaspard", born="2004-08-27")
    assert await ask(dsnj, who, within_s=SILENCE_S) == Failed("upstream_timeout")


# Recorded answers

RECORDED: dict[str, Reply | dict[str, str]] = {
    "found.json": {"statut_service_national": "en_regle", "commentaires": "Complément"},
    "found_multiple.json": MALFORMED,
    "not_found.json": NotFound(UNKNOWN_PERSON),
    "error_with_return_code_ok.json": MALFORMED,
    "ko.json": MALFORMED,
}


@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_answer_is_understood(dsnj: WorkerClient, name: str) -> None:
    expected = RECORDED[name]
    reply = await reply_to(dsnj, 200, json.loads(upstream_sample(f"dsnj/service_national/{name}")))
    if not isinstance(expected, dict):
        assert reply == expected
        return
    assert data_of(reply) == expected
    assert_official(IDENTITE.id, expected)


def test_every_recorded_answer_is_in_the_table() -> None:
    upstream_sample("dsnj/service_national/found.json")
    assert {path.name for path in (REFERENCE / "upstream" / "dsnj").rglob("*.json")} == {*RECORDED}


# What is offered


def test_the_offer_speaks_for_the_dsnj() -> None:
    offer = worker.offer()
    assert (offer.provider, offer.authority.label, offer.authority.prefix) == ("dsnj", "DSNJ", "39")
    assert {(one.cache_s, one.status) for one in offer.operations} == {(0, "dsnj_service_national")}
    assert FRANCE_CONNECT.france_connect_resource == "service_national"
    absence = offer.problems[UNKNOWN_PERSON]
    assert (absence.code, absence.title) == ("003", "Entité non trouvée")
    assert absence.detail == (
        "L'identifiant indiqué n'existe pas, n'est pas connu ou ne comporte aucune information pour cet appel."
        + PERIMETER
    )
