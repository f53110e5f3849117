"""Tests of `/api/pings` and `/api/{status}/ping`, from which a status page reads the health of resources
(docs/reference/contract.md §5.3)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from jsonschema import Draft202012Validator

from bouquet_gateway import metrics
from bouquet_gateway.offers import discovery
from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.public.health_window import LEAST_CALLS
from bouquet_msa.worker import worker as msa
from bouquet_proto.offer import Offer
from tests.support.mesh import Mesh, mesh
from tests.support.offers import describing, dossier, offer
from tests.support.people import CAF_ALLOCATAIRE, staged_query
from tests.support.waiting import TEST_TIMEOUT_S, until

STATUS = "cnaf_msa_quotient_familial"
PING = f"/api/{STATUS}/ping"
NOON = "2026-04-15T12:00:00.000+02:00"
OFFERS = Path(__file__).parents[2] / "proto" / "offers"

OF_THE_CONTRACT = {
    "pole_emploi_status",
    "pole_emploi_indemnites",
    "men_scolarite",
    "cnous_etudiant_boursier_ine",
    "cnous_etudiant_boursier_identite",
    "cnous_etudiant_boursier_france_connect",
    "mesri_statut_etudiant_ine",
    "mesri_statut_etudiant_identite",
    "cnaf_msa_quotient_familial",
    "securite_sociale_complementaire_sante_solidaire",
    "cnaf_msa_revenu_solidarite_active",
    "cnaf_msa_allocation_soutien_familial",
    "cnaf_msa_allocation_adulte_handicape",
    "cnaf_msa_prime_activite",
    "cnaf_msa_participation_familiale_eaje",
    "cnav_allocation_enfant_handicape",
    "cnav_allocation_rentree_scolaire",
    "franceconnect",
    "sdh_statut_sportif",
    "gip_mds_service_civique",
    "dsnj_service_national",
    "ants",
}
"""Names of the resources that Bouquet serves, as the contract gives them in `/api/{status}/ping`."""


def test_every_resource_has_the_contract_s_status_name() -> None:
    offers = [msgspec.json.decode(file.read_bytes(), type=Offer) for file in sorted(OFFERS.glob("*.json"))]
    assert set(Catalogue(offers).monitored) == OF_THE_CONTRACT


async def test_pings_list_the_url_of_each_status() -> None:
    async with mesh(public_url="https://particulier.example.fr/") as client:
        answer = await client.get("/api/pings", token="")
        assert (answer.status, answer.json) == (200, [{"name": STATUS, "url": f"https://particulier.example.fr{PING}"}])
        assert (await client.get(PING, token="")).status == 200


async def test_pings_do_not_repeat_the_host_header() -> None:
    async with mesh(trusted_proxies=("127.0.0.1",)) as client:
        headers = {"Host": "evil.test", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.test"}
        answer = await client.get("/api/pings", token="", headers=headers)
    assert answer.json == [{"name": STATUS, "url": PING}]


async def test_a_resource_without_calls_is_ok_and_no_provider_is_asked() -> None:
    async with mesh() as client:
        answer = await client.get(PING, token="")
        assert client.call_counts == {"cnaf": 0, "msa": 0}
    assert (answer.status, answer.json) == (200, {"status": "ok", "last_update": NOON, "last_ok_status": None})
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


async def test_an_answer_to_a_caller_counts_as_success() -> None:
    async with mesh() as client:
        await client.get(params=CAF_ALLOCATAIRE)
        told = (await client.get(PING, token="")).json
    assert told == {"status": "ok", "last_update": NOON, "last_ok_status": NOON}


async def fail(client: Mesh, times: int) -> None:
    for _ in range(times):
        assert (await client.get(params=staged_query("CAF-INTERNAL MSA-INTERNAL"))).status == 502


async def test_one_failed_call_of_one_caller_is_no_outage() -> None:
    async with mesh() as client:
        await fail(client, 1)
        alone = await client.get(PING, token="")
        for _ in range(3):
            await client.get(params=CAF_ALLOCATAIRE, headers={"Cache-Control": "no-cache"})
        beside_others = await client.get(PING, token="")
    assert (alone.status, alone.json["status"]) == (200, "unknown")
    assert (beside_others.status, beside_others.json["status"]) == (200, "ok")


async def test_calls_refused_by_the_gateway_do_not_count_as_outages() -> None:
    async with mesh(max_calls_per_provider=1) as client:
        client.upstreams.hold("cnaf")
        slow = asyncio.create_task(client.get(params=CAF_ALLOCATAIRE))
        await until(lambda: client.call_counts["cnaf"] == 1)
        for number in range(2 * LEAST_CALLS):
            answer = await client.get(params=staged_query("CAF-FOUND MSA-NO-FILE") | {"nomUsage": "N" * (number + 1)})
            assert (answer.status, answer.headers["Retry-After"]) == (502, "1")
        answer = await client.get(PING, token="")
        client.upstreams.open.set()
        assert (await slow).status == 200
    assert (answer.status, answer.json) == (200, {"status": "ok", "last_update": NOON, "last_ok_status": None})


async def test_calls_that_end_in_outages_make_a_resource_bad_gateway() -> None:
    async with mesh() as client:
        await fail(client, LEAST_CALLS)
        answer = await client.get(PING, token="")
    assert (answer.status, answer.json) == (
        502,
        {"status": "bad_gateway", "last_update": NOON, "last_ok_status": None},
    )


@pytest.mark.parametrize("params", [{}, staged_query("CAF-NO-FILE MSA-NO-FILE")])
async def test_a_caller_s_mistake_and_an_absence_are_no_outage(params: dict[str, str]) -> None:
    async with mesh() as client:
        assert (await client.get(params=params)).status in (404, 422)
        assert (await client.get(PING, token="")).json["status"] == "ok"


async def test_a_resource_without_calls_and_worker_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "MISSING_RETRY_S", 0.01)
    monkeypatch.setattr(discovery, "REFRESH_S", 0.01)
    async with mesh(workers=("cnaf",)) as client:
        async with client.workers_bus.serve("msa", describing(msa.offer()), concurrency=1):
            await client.until_all_offers_known()
            assert (await client.get(PING, token="")).json["status"] == "ok"
        async with asyncio.timeout(TEST_TIMEOUT_S):
            while (answer := await client.get(PING, token="")).json["status"] == "ok":  # noqa: ASYNC110 - what is waited for has no event here
                await asyncio.sleep(0.01)
    assert (answer.status, answer.json["status"]) == (200, "unknown")


async def test_a_resource_in_maintenance_shows_its_end() -> None:
    async with mesh(maintenance="CNAF & MSA 11:30-12:30") as client:
        answer = await client.get(PING, token="")
    assert (answer.status, answer.json) == (
        200,
        {
            "status": "maintenance",
            "last_update": NOON,
            "last_ok_status": None,
            "until": "2026-04-15T12:30:00.000+02:00",
        },
    )


@pytest.mark.parametrize(("maintenance", "status"), [("CNAF & MSA 12:01-12:02", "ok"), ("", "bad_gateway")])
async def test_a_resource_is_ok_for_ten_minutes_after_a_maintenance(maintenance: str, status: str) -> None:
    async with mesh(maintenance=maintenance) as client:
        await fail(client, LEAST_CALLS)
        for minutes in (2, 7):
            client.clock.now += timedelta(minutes=minutes)
            assert (await client.get(PING, token="")).json["status"] == status


@pytest.mark.parametrize("name", ["caf", "impots", "acme", "v2", "cnaf_msa_quotient_familial;"])
async def test_the_ping_of_an_unknown_resource_is_an_empty_404(name: str) -> None:
    async with mesh() as client:
        answer = await client.get(f"/api/{name}/ping", token="")
    assert (answer.status, answer.body) == (404, b"{}")


async def test_every_resource_of_a_sandbox_is_ok() -> None:
    async with mesh(sandbox=True, maintenance="CNAF & MSA 11:30-12:30") as client:
        answer = await client.get(PING, token="")
    assert (answer.status, answer.json) == (200, {"status": "ok", "last_update": "2026-04-15T10:00:00.000+00:00"})


def test_a_new_provider_s_status_is_named_by_its_path() -> None:
    assert set(Catalogue([offer()]).monitored) == {"acme_dossier_identite"}


@pytest.mark.parametrize("status", ["franceconnect", "Men_Scolarite", "../livez", "a/b"])
def test_a_provider_with_an_invalid_or_foreign_status_name_is_served_without_status(status: str) -> None:
    catalogue = Catalogue([offer(dossier(status=status))])
    assert not catalogue.monitored
    assert catalogue.by_path, "it is served all the same"


def test_of_two_providers_with_one_status_name_the_earlier_keeps_it() -> None:
    theirs = dossier(id="other", path="/v3/other/dossier/identite", status="acme_dossier_identite")
    other = msgspec.structs.replace(offer(theirs), provider="other")
    assert Catalogue([offer(), other]).monitored["acme_dossier_identite"].providers == {"acme"}


async def test_metrics_show_the_state_of_each_resource() -> None:
    async with mesh(maintenance="CNAF & MSA 00:00-00:00") as client:
        told = (await client.get("/metrics", token="")).body.decode()
    state = f'bouquet_gateway_resource_state{{resource="{STATUS}",state='
    lines = [line for line in told.splitlines() if line.startswith(state)]
    assert {line.removeprefix(state) for line in lines} == {
        '"maintenance"} 1.0', '"ok"} 0.0', '"bad_gateway"} 0.0', '"unknown"} 0.0'
    }  # fmt: skip


async def test_metrics_drop_a_resource_that_is_not_offered_any_more() -> None:
    metrics.RESOURCE_STATE.labels("former_resource", "ok").set(1)
    async with mesh() as client:
        told = (await client.get("/metrics", token="")).body.decode()
    assert f'resource="{STATUS}"' in told
    assert "former_resource" not in told


async def test_openapi_lists_each_status_name() -> None:
    async with mesh() as client:
        document = (await client.get("/api/openapi.json", token="")).json
        answer = await client.get(PING, token="")
    get = document["paths"]["/api/{status}/ping"]["get"]
    assert get["parameters"][0]["schema"]["enum"] == [STATUS]
    schema = get["responses"][str(answer.status)]["content"]["application/json"]["schema"]
    Draft202012Validator(schema | {"components": document["components"]}).validate(answer.json)
    assert {"/api/ping", "/api/pings"} <= document["paths"].keys()
    assert get["security"] == []
