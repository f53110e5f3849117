"""Faults of providers and of processes in between: for example, a token endpoint that answers HTML, or a process
that dies during a call."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest
from aiohttp import web

from bouquet_mesh.listen import listening
from bouquet_worker.simulate import RECEIVED
from tests.support.gateway_client import GatewayClient, Params
from tests.support.mesh import mesh, short_upstream_timeouts
from tests.support.people import staged_query
from tests.support.processes import process_mesh
from tests.support.redis import RedisServer
from tests.support.waiting import TEST_TIMEOUT_S, until

DEADLINE_S = 6.0
"""Deadline of calls, in seconds. It leaves a test time to act during a call."""
LETTERS = str.maketrans("0123456789", "ghijklmnop")


async def html(_: web.Request) -> web.Response:
    return web.Response(text="<html>DURANT</html>", content_type="text/html")


async def test_a_token_endpoint_that_answers_html_is_a_typed_error_and_the_other_provider_is_asked() -> None:
    broken = web.Application()
    broken.add_routes([web.post("/token", html)])
    async with listening(broken, "127.0.0.1", 0) as url:
        environ = {"BOUQUET_CNAF_HUB_TOKEN_URL": f"{url}/token"}
        async with mesh(environ=environ) as client:
            answer = await client.get(params=staged_query("CAF-FOUND"))
            assert answer.summary.startswith(("502 23", "504 23")) and answer.summary.endswith("CNAF")
            assert "DURANT" not in answer.body.decode()
            assert (await client.get(params=staged_query("MSA-FOUND"))).summary == "200 MSA"


async def test_probes_and_pings_call_no_upstream() -> None:
    async with mesh() as client:
        for _ in range(50):
            assert (await client.get("/readyz")).status == (await client.get("/livez")).status == 200
        assert [len(app[RECEIVED]) for app in client.simulators.values()] == [0, 0]


@pytest.mark.parametrize(("silent", "other", "provider"), [("CAF", "MSA", "cnaf"), ("MSA", "CAF", "msa")])
async def test_a_silent_provider_beside_an_absence_is_not_a_not_found(silent: str, other: str, provider: str) -> None:
    async with mesh(environ=short_upstream_timeouts(provider)) as client:
        unknown = await client.get(params=staged_query(f"{silent}-SLOW {other}-NO-FILE"))
        assert unknown.status == 504
        assert (await client.get(params=staged_query(f"{silent}-SLOW {other}-FOUND"))).status == 200


@pytest.mark.broker
async def test_the_marker_of_a_call_is_deleted_when_its_worker_dies(broker_url: str) -> None:
    async with process_mesh(broker_url) as system:
        victim, _ = await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
        _, client = await system.gateway(deadline_s=DEADLINE_S, hedge_after_s=0.5)
        system.upstreams.hold()
        call = asyncio.create_task(client.get(params=staged_query("CAF-FOUND")))
        await until(lambda: len(system.received("cnaf")) == 1)
        assert (await client.get(params=staged_query("CAF-FOUND"))).status == 409
        await victim.kill()
        system.upstreams.open.set()
        assert (await call).status in (502, 504)
        assert (await client.get(params=staged_query("CAF-FOUND"))).status != 409


@pytest.mark.broker
async def test_the_marker_of_a_call_expires_soon_after_its_gateway_died(
    broker_url: str, redis_server: RedisServer
) -> None:
    shared: dict[str, Any] = {"cache_url": redis_server.url, "deadline_s": DEADLINE_S, "hedge_after_s": 0.5}
    first_names = ["CAMILLE", secrets.token_hex(4).translate(LETTERS)]  # new each time, so that no answer is cached
    person = staged_query("CAF-FOUND", **{"prenoms[]": first_names})
    async with process_mesh(broker_url) as system:
        await asyncio.gather(system.worker("cnaf"), system.worker("msa"))
        (victim, client), (_, other) = await asyncio.gather(system.gateway(**shared), system.gateway(**shared))
        system.upstreams.hold()
        call = asyncio.create_task(client.get(params=person))
        await until(lambda: call.done() or len(system.received("cnaf")) == 1)
        assert not call.done(), call.result().summary
        await victim.kill()
        await asyncio.wait([call])
        assert call.exception()
        system.upstreams.open.set()
        assert (await other.get(params=person)).status == 409
        await is_let_in(other, person)


async def is_let_in(client: GatewayClient, person: Params) -> None:
    """Repeats a call about `person` until it is no longer refused with 409."""
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while (await client.get(params=person)).status == 409:  # noqa: ASYNC110 - a marker has no event
            await asyncio.sleep(0.05)
