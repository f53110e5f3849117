"""Tests of admission control: a gateway takes a limited number of calls at a time, and refuses further ones at once."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from prometheus_client import REGISTRY
from yarl import URL

from bouquet_gateway.load.admission import NEVER_REFUSED
from bouquet_gateway.settings import read_settings
from bouquet_mesh.bus.memory import MemoryBus
from bouquet_mesh.settings import SettingsError, read_all
from tests.support.gateway_client import Answer, GatewayClient, token
from tests.support.held_providers import HeldProvider, gateway_with_providers, query_for
from tests.support.waiting import until

MOST = 3


@pytest.fixture
def acme() -> HeldProvider:
    return HeldProvider("acme", "90")


@pytest.fixture
async def client(acme: HeldProvider) -> AsyncIterator[GatewayClient]:
    async with gateway_with_providers(MemoryBus(), acme, max_requests=MOST, max_calls_per_provider=MOST) as (_, client):
        yield client


def another() -> str:
    return token("acme_dossier", "acme_age", id=str(uuid.uuid4()))


@asynccontextmanager
async def full(client: GatewayClient, acme: HeldProvider) -> AsyncIterator[list[asyncio.Task[Answer]]]:
    calls = [
        asyncio.create_task(client.get(acme.path, query_for(f"DUPONT{letter}"), token=another()))
        for letter in "ABC"[:MOST]
    ]
    await until(lambda: len(acme.requests) == MOST)
    yield calls
    acme.release.set()
    assert [(await call).status for call in calls] == [200] * MOST


def refused(provider: str = "", reason: str = "overloaded") -> float:
    labels = {"reason": reason, "provider": provider}
    return REGISTRY.get_sample_value("bouquet_gateway_refused_total", labels) or 0.0


async def test_a_request_above_the_limit_gets_503_with_retry_after(client: GatewayClient, acme: HeldProvider) -> None:
    async with full(client, acme):
        answer = await client.get(acme.path, query_for("MARTIN"))
    detail = "La plateforme reçoit plus de demandes qu'elle ne peut en traiter, veuillez réessayer."
    error = {"code": "00529", "title": "Service surchargé", "detail": detail, "meta": {"retry_in": 1}}
    assert (answer.status, answer.json) == (503, {"errors": [error]})
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


async def test_a_v2_request_above_the_limit_gets_the_v2_error(client: GatewayClient, acme: HeldProvider) -> None:
    async with full(client, acme):
        answer = await client.get(acme.path_v2, {"nom": "MARTIN"})
    detail = "La plateforme reçoit plus de demandes qu'elle ne peut en traiter, veuillez réessayer."
    assert (answer.status, answer.json) == (503, {"error": "overloaded", "reason": detail, "message": detail})
    assert answer.headers["Retry-After"] == "1"


async def test_a_refused_request_is_answered_at_once(client: GatewayClient, acme: HeldProvider) -> None:
    async with full(client, acme) as under_way:
        answers = [await client.get(acme.path, query_for("MARTIN")) for _ in range(20)]
        assert not any(call.done() for call in under_way)
    assert {answer.status for answer in answers} == {503}


async def test_no_token_is_read_of_a_refused_request(client: GatewayClient, acme: HeldProvider) -> None:
    async with full(client, acme):
        answer = await client.get(acme.path, token="nobody's")
    assert answer.codes == ["00529"]
    assert "RateLimit-Limit" not in answer.headers


async def test_a_refused_request_keeps_its_request_id(client: GatewayClient, acme: HeldProvider) -> None:
    given = str(uuid.uuid4())
    async with full(client, acme):
        named = await client.get(acme.path, headers={"X-Request-Id": given})
        nameless = await client.get(acme.path)
    assert named.headers["X-Request-Id"] == given
    assert uuid.UUID(nameless.headers["X-Request-Id"])


@pytest.mark.parametrize("path", sorted(NEVER_REFUSED))
async def test_probes_and_metrics_are_answered_by_a_full_gateway(
    client: GatewayClient, acme: HeldProvider, path: str
) -> None:
    async with full(client, acme):
        assert (await client.get(path, token="")).status in (200, 503)
        assert (await client.get(path, token="")).headers.get("Retry-After") is None


async def test_a_call_that_ends_frees_its_place_however_it_ends(client: GatewayClient, acme: HeldProvider) -> None:
    async with full(client, acme):
        assert (await client.get(acme.path, query_for("MARTIN"))).status == 503
    answers = [await client.get(acme.path, query_for("MARTIN"), token="nobody's") for _ in range(2 * MOST)]
    assert {answer.status for answer in answers} == {401}
    assert (await client.get(acme.path, query_for("MARTIN"))).status == 200


async def test_refused_requests_are_counted(client: GatewayClient, acme: HeldProvider) -> None:
    before = refused()
    async with full(client, acme):
        for _ in range(5):
            await client.get(acme.path, query_for("MARTIN"))
        metrics = (await client.get("/metrics", token="")).body.decode()
    assert refused() == before + 5
    assert f"bouquet_gateway_requests_in_flight {MOST:.1f}" in metrics


async def test_many_refusals_are_logged_as_one_line(
    client: GatewayClient, acme: HeldProvider, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with full(client, acme):
            for _ in range(20):
                await client.get(acme.path, query_for("MARTIN"))
    assert caplog.messages.count("overloaded") == 1


HALF_A_BODY = b"POST /bouquet/v1/dossiers HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"


@asynccontextmanager
async def half_bodies(client: GatewayClient, count: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Sends half the body of `count` dossiers, and yields the readers of their connections, oldest first."""
    url = URL(client.url)
    opened = [await asyncio.open_connection(url.host, url.port) for _ in range(count)]
    try:
        for number, (_, writer) in enumerate(opened, start=1):
            writer.write(HALF_A_BODY)
            await until(partial(are_in_flight, number))
        yield [reader for reader, _ in opened]
    finally:
        for _, writer in opened:
            writer.close()


def are_in_flight(count: int) -> bool:
    return REGISTRY.get_sample_value("bouquet_gateway_requests_in_flight") == count


def closed_for_requests() -> float:
    return REGISTRY.get_sample_value("bouquet_http_connections_closed_total", {"reason": "requests"}) or 0.0


async def test_requests_without_their_bodies_keep_no_caller_from_being_answered(
    client: GatewayClient, acme: HeldProvider
) -> None:
    before = closed_for_requests()
    async with half_bodies(client, MOST) as readers, full(client, acme):
        assert [await reader.read() for reader in readers] == [b""] * MOST
        assert (await client.get(acme.path, query_for("MARTIN"))).status == 503
    assert closed_for_requests() == before + MOST


async def test_the_request_that_has_waited_longest_for_its_body_gives_its_place(
    client: GatewayClient, acme: HeldProvider
) -> None:
    async with half_bodies(client, MOST) as (first, second, third):
        assert (await client.get(acme.path, token="nobody's")).status == 401
        assert await first.read() == b""
        assert not (second.at_eof() or third.at_eof())


async def test_a_client_that_leaves_before_its_body_ends_is_no_bug(
    client: GatewayClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with half_bodies(client, 1):
            pass
        await until(lambda: "request answered" in caplog.messages)
    [answered] = (record for record in caplog.records if record.message == "request answered")
    assert (vars(answered)["status"], "gateway bug" in caplog.messages) == (400, False)


def test_more_calls_per_provider_than_requests_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="MAX_CALLS_PER_PROVIDER"):
        read_all({"BOUQUET_GATEWAY_MAX_REQUESTS": "10", "BOUQUET_GATEWAY_MAX_CALLS_PER_PROVIDER": "11"}, read_settings)
