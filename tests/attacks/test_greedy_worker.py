"""Attack: a worker sends offers and replies that exceed the size limits of messages. Only calls to this worker fail."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from msgspec import Raw, structs
from prometheus_client import REGISTRY

from bouquet_mesh.bus.open import open_bus
from bouquet_proto.failures import FAILURES
from bouquet_proto.limits import MAX_OFFER_BYTES, MAX_OPERATIONS, MAX_REPLY_BYTES, MAX_REPLY_ELEMENTS, ReplyLimits
from bouquet_proto.messages import Failed, NotFound, Recorded, Rejected, Reply
from bouquet_proto.offer import Authority, Operation, People
from bouquet_proto.rules import Check
from tests.attacks.two_providers import (
    DATA,
    HONEST_OFFER,
    HONEST_PATH,
    Provider,
    acme_offer,
    altered,
    ask,
    found,
    gateway_between,
    gateway_client_for,
)
from tests.support.broker_users import restricted_vhost
from tests.support.offers import dossier, offer
from tests.support.rabbitmq import RabbitNode
from tests.support.waiting import until

LIST_OF_LISTS: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "array", "items": {"type": "array"}}, "z": {"type": "integer"}},
}
LISTS = acme_offer(schema=LIST_OF_LISTS, fields={"a": ("acme_dossier",), "z": ("acme_none",)}, example=None)


def lists(number: int) -> dict[str, Any]:
    return {"a": [[]] * number, "z": 1}


def refused_replies(excess: str) -> float:
    labels = {"provider": "acme", "excess": excess}
    return REGISTRY.get_sample_value("bouquet_gateway_replies_refused_total", labels) or 0.0


def refused_offers(reason: str) -> float:
    labels = {"provider": "acme", "reason": reason}
    return REGISTRY.get_sample_value("bouquet_gateway_offers_refused_total", labels) or 0.0


# Replies

DEEP = Raw(b'{"a":' + b"[" * 200 + b"]" * 200 + b',"z":1}')
EXCESSES: dict[str, tuple[str, Any]] = {
    "64 kB and a little more": ("too large", {"a": [], "z": 1, "x": "é" * 33_000}),
    "lists in a list": ("too many elements", lists(5_001)),
    "lists in as many bytes as a message takes": ("too large", lists(300_000)),
    "depths": ("too deep", DEEP),
}


@pytest.mark.parametrize("lie", EXCESSES)
async def test_a_reply_beyond_its_limits_is_a_typed_failure(lie: str, caplog: pytest.LogCaptureFixture) -> None:
    excess, data = EXCESSES[lie]
    before = refused_replies(excess)
    async with gateway_between(Provider(LISTS, data)) as client:
        answer = await ask(client)
        assert answer.summary == "502 90999 ACME"
        assert (await ask(client, HONEST_PATH)).status == 200
    assert refused_replies(excess) == before + 1
    [told] = [record for record in caplog.records if record.message == "reply beyond its limits"]
    assert (told.__dict__["provider"], told.__dict__["excess"]) == ("acme", excess)


async def test_a_reply_within_its_limits_is_read() -> None:
    async with gateway_between(Provider(LISTS, lists(4_900))) as client:
        answer = await ask(client)
        assert answer.json["data"] == {"a": [[]] * 4_900}


async def test_punctuation_in_texts_does_not_count_as_elements() -> None:
    text = "1, rue de l'Église [bâtiment {A}]" * 500
    async with gateway_between(Provider(offer(), DATA | {"numero": text})) as client:
        assert (await ask(client)).json["data"]["numero"] == text


async def test_an_offer_may_raise_its_reply_limits() -> None:
    [operation] = LISTS.operations
    more = structs.replace(operation, reply=ReplyLimits(size_bytes=200_000, elements=12_000))
    async with gateway_between(Provider(structs.replace(LISTS, operations=(more,)), lists(11_000))) as client:
        assert len((await ask(client)).json["data"]["a"]) == 11_000


@pytest.mark.parametrize(
    "reply", [ReplyLimits(size_bytes=MAX_REPLY_BYTES + 1), ReplyLimits(elements=MAX_REPLY_ELEMENTS + 1)]
)
async def test_an_offer_cannot_raise_its_reply_limits_without_bound(reply: ReplyLimits) -> None:
    before = refused_offers("operation too large")
    async with gateway_between(Provider(acme_offer(reply=reply))) as client:
        assert (await ask(client)).status == 404
        assert (await ask(client, HONEST_PATH)).status == 200
    assert refused_offers("operation too large") > before


async def test_a_recorded_case_beyond_the_limits_is_refused() -> None:
    acme = Provider(offer())
    acme.reply = Recorded(200, Raw(b'{"data":{"numero":"' + b"x" * 70_000 + b'"}}'))
    async with gateway_between(acme, sandbox=True) as client:
        assert (await ask(client)).status == 502


# Texts beside the data

SECRET = "nom=DURANT age=30"
WORDS: dict[str, Reply] = {
    "a name of its own": NotFound("unknown_person", {"data": SECRET}),
    "a link": Rejected("unknown_person", {"visit": "http://evil.test"}),
    "a text for a number": Failed("upstream_unavailable", meta={"retry_in": SECRET}),
    "a long code": Rejected("unknown_person", {"provider_error_code": SECRET * 10}),
    "a long message": NotFound("unknown_person", {"provider_error_message": SECRET * 100}),
    "a large number": NotFound("unknown_person", {"provider_error_code": 2**53}),
    "a megabyte": NotFound("unknown_person", {"provider_error_message": SECRET * 60_000}),
    "a hundred thousand names": NotFound("unknown_person", {f"name {number}": number for number in range(60_000)}),
}


@pytest.mark.parametrize("lie", WORDS)
async def test_texts_of_a_worker_outside_the_contract_reach_no_caller(
    lie: str, caplog: pytest.LogCaptureFixture
) -> None:
    acme = Provider(offer())
    acme.reply = WORDS[lie]
    async with gateway_between(acme) as client:
        answer = await ask(client)
        assert (await ask(client, HONEST_PATH)).status == 200
    assert answer.summary == "502 90999 ACME"
    assert answer.json["errors"][0]["meta"] == {"provider": "ACME"}
    told = [record for record in caplog.records if record.message in ("reply beyond its limits", "malformed reply")]
    assert [record.__dict__["provider"] for record in told] == ["acme"]
    assert "DURANT" not in caplog.text


async def test_texts_of_the_contract_reach_the_caller() -> None:
    acme = Provider(offer())
    acme.reply = NotFound("unknown_person", {"provider_error_code": 40013, "provider_error_message": "Nom inconnu"})
    async with gateway_between(acme) as client:
        answer = await ask(client)
    assert answer.status == 404
    assert answer.json["errors"][0]["meta"] == {
        "provider": "ACME",
        "provider_error_code": 40013,
        "provider_error_message": "Nom inconnu",
    }


# Offers


def many(number: int, **changes: Any) -> tuple[Operation, ...]:
    return tuple(dossier(id=f"acme_{n}", path=f"/v3/acme/dossier{n}/identite", **changes) for n in range(number))


KINDS = [{"enum": [f"{number}"]} for number in range(1_500)]
OFFERS: dict[str, tuple[str, Any]] = {
    "a hundred and one operations": ("offer too large", offer(*many(MAX_OPERATIONS + 1))),
    "nine hundred": ("offer too large", offer(*many(900, example=None, summary=""))),
    "many bytes": ("offer too large", altered(owner="x" * MAX_OFFER_BYTES)),
    "a label that all errors repeat": (
        "offer unreadable",
        structs.replace(offer(*many(100)), authority=Authority("ACME" * 10_000, "90")),
    ),
    "a label of one operation's": ("operation unreadable", acme_offer(authority=Authority("ACME" * 10_000, "90"))),
    "a prefix that all codes repeat": ("offer unreadable", altered(authority=Authority("ACME", "90" * 10_000))),
    "a row that all operations name": (
        "offer too large",
        structs.replace(
            offer(*many(100, reasons=("unknown_person",))),
            problems={"unknown_person": structs.replace(offer().problems["unknown_person"], detail="x" * 100_000)},
        ),
    ),
    "reasons without end": ("operation too large", acme_offer(reasons=(*FAILURES,) * 20)),
    "checks without end": (
        "operation too large",
        acme_offer(checks=(tuple(Check("nom", {"nom_naissance": f"nom{n}"}) for n in range(2_000)),)),
    ),
    "a schema of thousands of objects": (
        "operation too large",
        acme_offer(schema={"properties": {f"a{n}": {"properties": {}} for n in range(5_000)}, "type": "object"}),
    ),
    "a value of a thousand kinds": (
        "operation too large",
        acme_offer(schema={"properties": {"a": {"anyOf": KINDS}}, "type": "object"}),
    ),
    "people without end": ("operation too large", acme_offer(people=(People(),) * 1_500)),
    "an answer kept for ever": ("operation too large", acme_offer(cache_s=10**17)),
    "an answer kept for less than nothing": ("operation too large", acme_offer(cache_s=-5)),
    "fields without end": (
        "operation too large",
        acme_offer(fields={f"f{n}": ("acme_dossier",) for n in range(2_000)}),
    ),
    "a field that goes on": ("operation too large", acme_offer(fields={".".join("a" * 50_000): ("acme_dossier",)})),
    "documents without end": ("offer too large", altered(documents={f"/x/{n}": 1 for n in range(10_000)})),
}


@pytest.mark.parametrize("lie", OFFERS)
async def test_an_offer_beyond_its_limits_affects_its_provider_only(lie: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    reason, told = OFFERS[lie]
    before = refused_offers(reason)
    async with gateway_between(Provider(told)) as client:
        document = await client.get("/api/openapi.json", token="")
        assert (await client.get("/api/errors", token="")).status == 200
        assert (await ask(client, HONEST_PATH)).status == 200
        assert (await ask(client)).status in (404, 502)
    assert HONEST_PATH in document.json["paths"]
    assert len(document.body) < 100_000
    assert refused_offers(reason) == before + 1
    assert [record.__dict__["provider"] for record in caplog.records if record.message == reason] == ["acme"]


async def test_documents_of_the_largest_accepted_offer_are_of_bounded_size() -> None:
    row = structs.replace(offer().problems["unknown_person"], detail="x" * 1_500)
    rows = {f"own_{n}": structs.replace(row, code=f"9{n:02}") for n in range(20)}
    operations = many(
        MAX_OPERATIONS,
        reasons=tuple(rows),
        authority=Authority("A" * 100, "90"),
        checks=(tuple(Check("nom") for _ in range(50)),),
    )
    async with gateway_between(Provider(structs.replace(offer(*operations), problems=rows))) as client:
        document = await client.get("/api/openapi.json", token="")
    assert len(document.json["paths"]) > MAX_OPERATIONS
    assert len(document.body) < 12_000_000


async def test_a_refused_offer_is_logged_once_however_often_it_is_received(caplog: pytest.LogCaptureFixture) -> None:
    acme = Provider(altered(owner="x" * MAX_OFFER_BYTES))
    async with gateway_between(acme):
        await until(lambda: acme.told >= 3)
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == ["offer too large"]


# On a broker, with the rights of a provider's user


@pytest.mark.broker
async def test_a_greedy_worker_on_the_broker_leaves_the_others_their_answers(rabbit: RabbitNode, tmp_path: Any) -> None:
    guarded = restricted_vhost(rabbit, tmp_path, "acme", "honest")
    acme = Provider(LISTS, lists(300_000))

    async def one(client: Any) -> None:
        assert (await ask(client)).status == 502
        assert (await ask(client, HONEST_PATH)).status == 200

    async with (
        open_bus(guarded.url("acme"), "acme") as acme_s,
        open_bus(guarded.url("honest"), "honest") as honest_s,
        acme_s.serve("acme", acme, concurrency=8),
        honest_s.serve("honest", Provider(HONEST_OFFER), concurrency=8),
        open_bus(guarded.url("gateway"), "gateway") as bus,
        gateway_client_for(bus) as client,
    ):
        await client.until_all_offers_known()
        await one(client)
        acme.reply = found(lists(5_001))
        await one(client)
        acme.reply = NotFound("unknown_person", {"data": SECRET * 60_000})
        await one(client)
