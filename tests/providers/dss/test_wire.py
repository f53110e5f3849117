"""Tests of requests to the hub: each prestation has its URL and token (docs/reference/upstreams/hub.md §1-2)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bouquet_dss.simulator import TOKENS, scope_of, simulator
from bouquet_dss.worker import PRESTATIONS, worker
from bouquet_proto.messages import Failed, Found
from tests.providers.dss.replies import (
    BY_FRANCE_CONNECT,
    CORALINE,
    OPERATIONS,
)
from tests.providers.worker_client import RECIPIENT, REQUEST_ID, WorkerClient, data_of, worker_client
from tests.support.openapi import assert_official


@pytest.mark.parametrize("name", PRESTATIONS)
async def test_a_prestation_has_its_own_url_and_the_hubs_exact_question(dss: WorkerClient, name: str) -> None:
    await dss(OPERATIONS[name], CORALINE)
    _, question = dss.received
    assert (question.method, question.path, question.body) == ("GET", f"/{name}", b"")
    assert dict(question.query) == {
        "nomNaissance": "Pestel-Vignau",
        "listePrenoms": "Coraline",
        "dateNaissance": "1995-05-08",
        "codeLieuNaissance": "47157",
        "codePaysNaissance": "99100",
        "genre": "F",
    }
    assert question.headers["Content-Type"] == "application/json"
    assert question.headers["X-Correlation-ID"] == REQUEST_ID
    assert question.headers["X-APIPART-FSFINAL"] == RECIPIENT


async def test_a_token_is_of_one_client_and_one_scope(dss: WorkerClient) -> None:
    await dss(OPERATIONS["rsa"], CORALINE)
    question = dss.received[0]
    assert (question.method, question.path) == ("POST", "/token")
    assert question.headers["Authorization"] == "Basic Ym91cXVldC1yc2E6czNjcjN0Pz8_Pz8="
    assert question.body == b"grant_type=client_credentials&scope=simulateur.rsa"


async def test_each_prestation_keeps_a_token_of_its_own(dss: WorkerClient) -> None:
    for name in ("rsa", "aah", "rsa", "aah"):
        assert isinstance(await dss(OPERATIONS[name], CORALINE), Found)
    assert [question.path for question in dss.received] == ["/token", "/rsa", "/token", "/aah", "/rsa", "/aah"]


async def test_a_token_refused_before_its_time_is_renewed(dss: WorkerClient) -> None:
    await dss(OPERATIONS["rsa"], CORALINE)
    dss.app[TOKENS][scope_of("rsa")].revoke_all()
    assert isinstance(await dss(OPERATIONS["rsa"], CORALINE), Found)


async def test_a_token_of_another_prestation_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def mixed(url: str) -> dict[str, str]:
        settings = simulator.settings(url)
        return settings | {"BOUQUET_DSS_RSA_URL": settings["BOUQUET_DSS_AAH_URL"]}

    async with worker_client(worker, replace(simulator, settings=mixed), monkeypatch) as dss:
        assert await dss(OPERATIONS["rsa"], CORALINE) == Failed("upstream_unknown")


@pytest.mark.parametrize("name", PRESTATIONS)
async def test_france_connect_asks_and_shows_as_civil_status_does(dss: WorkerClient, name: str) -> None:
    by_name = data_of(await dss(OPERATIONS[name], CORALINE))
    assert data_of(await dss(BY_FRANCE_CONNECT[name], CORALINE)) == by_name
    assert dss.received[-1].query == dss.received[-2].query
    assert_official(OPERATIONS[name], by_name)
    assert_official(BY_FRANCE_CONNECT[name], by_name)
