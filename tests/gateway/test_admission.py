"""Tests of admission control: a gateway takes a limited number of calls at a time, and refuses further ones at once."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from bouquet_gateway.load.admission import NEVER_REFUSED
from bouquet_gateway.settings import read_settings
from bouquet_mesh.bus.memory import MemoryBus
from bouquet_mesh.settings import SettingsError, read_all
from tests.support.gateway_client import Answer, GatewayClient, token
from tests.support.held_providers import HeldProvider, gateway_with_providers, query_for
from tests.support.waiting import until

MOST = 3


@pytest.fixture
def fund() -> HeldProvider:
    return HeldProvider("acme", "90")


@pytest.fixture
async def client(fund: HeldProvider) -> AsyncIterator[GatewayClient]:
    async with gateway_with_providers(MemoryBus(), fund, max_requests=MOST, max_calls_per_provider=MOST) as (_, client):
        yield client


def another() -> str:
    return token("acme_dossier", "acme_age", id=str(uuid.uuid4()))


@asynccontextmanager
async def full(client: GatewayClient, fund: HeldProvider) -> AsyncIterator[list[asyncio.Task[Answer]]]:
    calls = [
        asyncio.create_task(client.get(fund.path, query_for(f"DUPONT{letter}"), token=another()))
        for letter in "ABC"[:MOST]
    ]
    await until(lambda: len(fund.requests) == MOST)
    yield calls
    fund.release.set()
    assert [(await call).status for call in calls] == [200] * MOST


def refused(provider: str = "", reason: str = "overloaded") -> float:
    labels = {"reason": reason, "provider": provider}
    return REGISTRY.get_sample_value("bouquet_gateway_refused_total", labels) or 0.0


async def test_a_request_above_the_limit_gets_503_with_retry_after(client: GatewayClient, fund: HeldProvider) -> None:
    async with full(client, fund):
        answer = await client.get(fund.path, query_for("MARTIN"))
    detail = "La plateforme reçoit plus de demandes qu'elle ne peut en traiter, veuillez réessayer."
    error = {"code": "00529", "title": "Service surchargé", "detail": detail, "meta": {"retry_in": 1}}
    assert (answer.status, answer.json) == (503, {"errors": [error]})
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


async def test_a_v2_request_above_the_limit_gets_the_v2_error(client: GatewayClient, fund: HeldProvider) -> None:
    async with full(client, fund):
        answer = await client.get(fund.path_v2, {"nom": "MARTIN"})
    detail = "La plateforme reçoit plus de demandes qu'elle ne peut en traiter, veuillez réessayer."
    assert (answer.status, answer.json) == (503, {"error": "overloaded", "reason": detail, "message": detail})
    assert answer.headers["Retry-After"] == "1"


async def test_a_refused_request_is_answered_at_once(client: GatewayClient, fund: HeldProvider) -> None:
    async with full(client, fund) as under_way:
        answers = [await client.get(fund.path, query_for("MARTIN")) for _ in range(20)]
        assert not any(call.done() for call in under_way)
    assert {answer.status for answer in answers} == {503}


async def test_no_token_is_read_of_a_refused_request(client: GatewayClient, fund: HeldProvider) -> None:
    async with full(client, fund):
        answer = await client.get(fund.path, token="nobody's")
    assert answer.codes == ["00529"]
    assert "RateLimit-Limit" not in answer.headers


async def test_a_refused_request_keeps_its_request_id(client: GatewayClient, fund: HeldProvider) -> None:
    given = str(uuid.uuid4())
    async with full(client, fund):
        named = await client.get(fund.path, headers={"X-Request-Id": given})
        nameless = await client.get(fund.path)
    assert named.headers["X-Request-Id"] == given
    assert uuid.UUID(nameless.headers["X-Request-Id"])


@pytest.mark.parametrize("path", sorted(NEVER_REFUSED))
async def test_probes_and_metrics_are_answered_by_a_full_gateway(
    client: GatewayClient, fund: HeldProvider, path: str
) -> None:
    async with full(client, fund):
        assert (await client.get(path, token="")).status in (200, 503)
        assert (await client.get(path, token="")).headers.get("Retry-After") is None


async def test_a_call_that_ends_frees_its_place_however_it_ends(client: GatewayClient, fund: HeldProvider) -> None:
    async with full(client, fund):
        assert (await client.get(fund.path, query_for("MARTIN"))).status == 503
    answers = [await client.get(fund.path, query_for("MARTIN"), token="nobody's") for _ in range(2 * MOST)]
    assert {answer.status for answer in answers} == {401}
    assert (await client.get(fund.path, query_for("MARTIN"))).status == 200


async def test_refused_requests_are_counted(client: GatewayClient, fund: HeldProvider) -> None:
    before = refused()
    async with full(client, fund):
        for _ in range(5):
            await client.get(fund.path, query_for("MARTIN"))
        metrics = (await client.get("/metrics", token="")).body.decode()
    assert refused() == before + 5
    assert f"bouquet_gateway_requests_in_flight {MOST:.1f}" in metrics


async def test_many_refusals_are_logged_as_one_line(
    client: GatewayClient, fund: HeldProvider, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with full(client, fund):
            for _ in range(20):
                await client.get(fund.path, query_for("MARTIN"))
    assert caplog.messages.count("overloaded") == 1


def test_more_calls_per_provider_than_requests_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="MAX_CALLS_PER_PROVIDER"):
        read_all({"BOUQUET_GATEWAY_MAX_REQUESTS": "10", "BOUQUET_GATEWAY_MAX_CALLS_PER_PROVIDER": "11"}, read_settings)
