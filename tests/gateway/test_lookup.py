"""Tests of lookups at a single scripted provider."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from msgspec import Raw

from bouquet_gateway.settings import read_settings
from bouquet_mesh.bus.memory import MemoryBus
from bouquet_mesh.settings import SettingsError, read_all
from bouquet_proto.identity import Identite
from bouquet_proto.messages import (
    Describe,
    Failed,
    Found,
    Lookup,
    NotFound,
    Recorded,
    Rejected,
    Reply,
    Request,
    encode,
)
from tests.support.gateway import gateway_in_process
from tests.support.gateway_client import RECIPIENT, GatewayClient, token
from tests.support.offers import DURANT, dossier, offer

PATH = "/v3/acme/dossier/identite"
DATA = {"numero": "1", "titulaire": {"nom": "DURANT", "age": 30}}
GOOD = Found(Raw(msgspec.json.encode(DATA)))
PARAMS = DURANT | {"prenoms[]": ["PAUL", "JEAN"]}


REASONS = ("unknown_person", "several_matches", "civil_status_refused")


class Acme:
    """Provider that has an offer of one operation, and answers every lookup with `reply`."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked: list[Lookup] = []

    async def __call__(self, request: Request) -> Reply:
        if isinstance(request, Describe):
            return Found(Raw(encode(offer(dossier(cache_s=60, reasons=REASONS)))))
        assert isinstance(request, Lookup)
        self.asked.append(request)
        return self.reply


@asynccontextmanager
async def acme(reply: Reply = GOOD) -> AsyncIterator[tuple[Acme, GatewayClient]]:
    provider, bus = Acme(reply), MemoryBus()
    async with (
        bus.serve("acme", provider, concurrency=1),
        gateway_in_process(bus, providers=("acme",)) as (_, client),
    ):
        client.token = token("acme_dossier", "acme_age")
        yield provider, client


async def test_a_provider_receives_canonical_parameters() -> None:
    async with acme() as (provider, client):
        answer = await client.get(PATH, PARAMS)
    [lookup] = provider.asked
    assert answer.json == {"data": DATA, "links": {}, "meta": {}}
    assert lookup.operation == "acme_v3_dossier"
    assert lookup.id == answer.headers["X-Request-Id"]
    assert lookup.caller.recipient == RECIPIENT
    assert lookup.parameters == {}
    assert lookup.identity == Identite(
        nom_naissance="DURANT",
        prenoms=("PAUL", "JEAN"),
        annee_date_naissance=1990,
        mois_date_naissance=1,
        jour_date_naissance=2,
    )


REPLIES: dict[str, tuple[Reply, str]] = {
    "absent": (NotFound("unknown_person"), "404 90003 ACME"),
    "several": (Rejected("several_matches"), "409 90015 ACME"),
    "refused": (Rejected("civil_status_refused"), "422 90561 ACME"),
    "refused, as a failure": (Failed("civil_status_refused"), "502 90999 ACME"),
    "away": (Failed("upstream_unavailable"), "502 90001 ACME"),
    "late": (Failed("upstream_timeout"), "504 90002 ACME"),
    "limited": (Failed("upstream_rate_limited"), "502 90008 ACME"),
    "refuses us": (Failed("upstream_refused_us"), "502 90006 ACME"),
    "bug": (Failed("worker_bug"), "502 90999 ACME"),
    "bus": (Failed("bus_unavailable"), "502 00501"),
    "what it did not offer to say": (Rejected("00360"), "502 90999 ACME"),
    "in words of its own": (Failed("something_new"), "502 90999 ACME"),
    "absent in words of its own": (NotFound("something_new"), "502 90999 ACME"),
    "a caller's fault that it cannot know": (Failed("token_invalid"), "502 90999 ACME"),
    "another caller's fault": (Rejected("already_in_flight"), "502 90999 ACME"),
    "a recorded case outside a sandbox": (Recorded(200, Raw(b"{}")), "502 90999 ACME"),
}


@pytest.mark.parametrize("said", REPLIES)
async def test_a_provider_s_error_has_its_prefix_and_label(said: str) -> None:
    reply, told = REPLIES[said]
    async with acme(reply) as (_, client):
        assert (await client.get(PATH, PARAMS)).summary == told


async def test_a_provider_s_retry_time_is_passed_on() -> None:
    async with acme(Failed("upstream_rate_limited", retry_in_s=30)) as (_, client):
        answer = await client.get(PATH, PARAMS)
    assert (answer.headers["Retry-After"], answer.error["meta"]) == ("30", {"provider": "ACME", "retry_in": 30})


async def test_a_closed_field_of_a_nested_resource_is_absent() -> None:
    async with acme() as (_, client):
        answer = await client.get(PATH, PARAMS, scopes=["acme_dossier"])
    assert answer.json["data"] == {"numero": "1", "titulaire": {"nom": "DURANT"}}


@pytest.mark.parametrize(
    "garbage", [b'"DURANT"', b"[1]", b"30", b"null", b"true", b"", b'{"nom": "DURANT"', b"<html>DURANT"]
)
async def test_data_that_is_not_an_object_is_refused(garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with acme(Found(Raw(garbage))) as (_, client):
        answer = await client.get(PATH, PARAMS)
    assert answer.summary == "502 90999 ACME"
    assert "DURANT" not in "".join(str(vars(record)) for record in caplog.records)


def test_a_hedge_later_than_the_deadline_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="HEDGE_AFTER_S"):
        read_all({"BOUQUET_GATEWAY_DEADLINE_S": "2", "BOUQUET_GATEWAY_HEDGE_AFTER_S": "2"}, read_settings)
