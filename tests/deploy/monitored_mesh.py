"""A mesh under mixed load, and the Prometheus that scraped it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientSession
from msgspec import Struct

from bouquet_gateway.paths import DOSSIERS
from bouquet_mesh.secret import Secret
from bouquet_registry.store import open_store
from tests.support import habilitations
from tests.support.daemon import free_port
from tests.support.gateway_client import SCOPES, TOKEN_KEY, GatewayClient, token
from tests.support.habilitations import SIRET
from tests.support.mesh_with_journal import KEY
from tests.support.people import CAF_ALLOCATAIRE, MSA_ALLOCATAIRE, UNKNOWN_PERSON, persona, query_for, staged_query
from tests.support.processes import ProcessMesh, process_mesh, running_command
from tests.support.prometheus import PrometheusServer
from tests.support.rabbitmq import RabbitNode
from tests.support.redis import RedisServer
from tests.support.scripted_providers import dossier_body

LOADED_S = 15.0
QUEUES = "/metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count&family=ra_metrics"
AWAY = "acme"
"""Provider that the gateway may call although no worker serves it."""
QUICK = {"BOUQUET_CNAF_HUB_TIMEOUT_S": "0.5", "BOUQUET_MSA_HUB_TIMEOUT_S": "0.5"}
FRESH = {"Cache-Control": "no-cache"}
API_SECRET = 40 * "s"
SANDBOX_PAGE = "/developpeurs/bac-a-sable"
WITHOUT_SANDBOX = {"BOUQUET_PORTAL_SANDBOX_URL": "http://127.0.0.1:9", "BOUQUET_PORTAL_SANDBOX_TOKEN": "public"}
"""Settings of a portal whose sandbox gateway does not answer."""
CROWD = 40
"""Number of simultaneous requests, more than the gateway accepts at once."""


class MonitoredMesh(Struct, frozen=True):
    prometheus: PrometheusServer
    at: float
    gateways: frozenset[str]


async def monitored_mesh(folder: Path, rabbit: RabbitNode, redis: RedisServer, stack: AsyncExitStack) -> MonitoredMesh:
    """Runs the mesh under load for a while, then stops it. Its Prometheus answers queries until `stack` closes."""
    async with process_mesh(rabbit.vhost()) as system, AsyncExitStack() as stopping:
        registry = registry_at(folder, system.bus_url)
        tokens = await issued(registry)
        own = api_beside(registry)
        async with (
            running_command(registry, "bouquet-registry", "serve") as process,
            running_command(own, "bouquet-registry", "api") as api,
        ):
            await api.until_logged("registry api started")
            await process.until_logged("registry started")
            workers = await asyncio.gather(system.worker("cnaf", **QUICK), system.worker("msa", **QUICK))
            _, client = await system.gateway(**gateway_at(folder, redis.url))
            site = portal_beside(folder, client.url) | WITHOUT_SANDBOX
            portal = await stopping.enter_async_context(running_command(site, "bouquet-portal", "serve", "--migrate"))
            await portal.until_logged("portal started")
            jobs = {
                "gateway": [f"{client.url}/metrics"],
                "workers": [worker.logged("worker started")[0]["health_url"] + "/metrics" for worker in workers],
                "registry": [f"http://127.0.0.1:{each['BOUQUET_REGISTRY_PORT']}/metrics" for each in (registry, own)],
                "portal": [f"http://127.0.0.1:{site['BOUQUET_PORTAL_METRICS_PORT']}/metrics"],
                "rabbitmq": [f"{rabbit.metrics_url}/metrics"],
                "rabbitmq-queues": [f"{rabbit.metrics_url}{QUEUES}"],
            }
            prometheus = stack.enter_context(PrometheusServer(folder / "prometheus", jobs))
            await asyncio.gather(load(system, client, tokens), load_api(own), visit_portal(site))
            return MonitoredMesh(prometheus, time.time(), frozenset({urlsplit(client.url).netloc}))


def registry_at(folder: Path, bus_url: str) -> dict[str, str]:
    return {
        "BOUQUET_BUS_URL": bus_url,
        "BOUQUET_REGISTRY_DATABASE_URL": f"sqlite:///{folder}/registry.db",
        "BOUQUET_REGISTRY_SIGNING_KEY": TOKEN_KEY.reveal(),
        "BOUQUET_REGISTRY_PORT": str(free_port()),
        "BOUQUET_REGISTRY_NOTICES_TO": "https://127.0.0.1:9/",  # where nobody listens: to be counted is enough
    }


def api_beside(registry: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings of an internal API that uses the database of `registry`."""
    return {
        **registry,
        "BOUQUET_REGISTRY_PORT": str(free_port()),
        "BOUQUET_REGISTRY_API_PORT": str(free_port()),
        "BOUQUET_REGISTRY_API_SECRETS": f"portal:{API_SECRET}",
    }


def portal_beside(folder: Path, gateway_url: str) -> dict[str, str]:
    """Returns the settings of a portal that reads the documents of the gateway at `gateway_url` every second."""
    return {
        "BOUQUET_PORTAL_GATEWAY_URL": gateway_url,
        "BOUQUET_PORTAL_PORT": str(free_port()),
        "BOUQUET_PORTAL_METRICS_PORT": str(free_port()),
        "BOUQUET_PORTAL_DATABASE_URL": f"sqlite:///{folder}/portal.db",
        "BOUQUET_PORTAL_DOCUMENTS_EVERY_S": "1",
        "BOUQUET_PORTAL_STATES_EVERY_S": "1",
    }


async def visit_portal(environ: Mapping[str, str]) -> None:
    """Requests four addresses of the portal for `LOADED_S` seconds: two pages, an unknown page, and a sandbox page,
    which gets a 503 because the sandbox's gateway does not answer."""
    end_at = time.monotonic() + LOADED_S
    async with ClientSession(f"http://127.0.0.1:{environ['BOUQUET_PORTAL_PORT']}") as session:
        while time.monotonic() < end_at:
            for path in ("/", "/etat", "/nothing-here", SANDBOX_PAGE):
                async with session.get(path):
                    await asyncio.sleep(0.1)


async def load_api(environ: Mapping[str, str]) -> None:
    """Sends four kinds of requests to the internal API for `LOADED_S` seconds: creations of habilitations, and changes
    with a wrong version, without an author and without a secret."""
    address = f"http://127.0.0.1:{environ['BOUQUET_REGISTRY_API_PORT']}"
    client = {"Authorization": f"Bearer {API_SECRET}"}
    author = {"X-Author": "Anne Durant", "X-Reason": "ticket 12"}
    changed = {"version": 9, "name": "Ville de Nantes"}
    end_at = time.monotonic() + LOADED_S
    async with ClientSession(address) as session:
        while time.monotonic() < end_at:
            async with session.post("/habilitations", json={"siret": SIRET}, headers=client | author) as answer:
                id_ = (await answer.json())["id"]
            for headers in (client | author, client, {}):
                async with session.patch(f"/habilitations/{id_}", json=changed, headers=headers):
                    await asyncio.sleep(0.2)


def gateway_at(folder: Path, cache_url: str) -> dict[str, str | float]:
    return {
        "tokens_from": "registry",
        "providers": f"cnaf,msa,{AWAY}",
        "cache_url": cache_url,
        "journal_key": f"{KEY.name}:{KEY.secret.reveal()}",
        "journal_spool": str(folder / "spool"),
        "hedge_after_s": 0.0,
        "max_requests": 30,
        "max_calls_per_provider": 5,
    }


class Tokens(Struct, frozen=True):
    """Tokens with which the load calls the gateway. `whole` and `slow` are valid for every operation that the load
    calls, `other` only for an operation that it does not call, and `revoked` for none."""

    # `slow` allows only two calls a minute.

    whole: str
    slow: str
    other: str
    revoked: str


async def issued(registry: Mapping[str, str]) -> Tokens:
    async with open_store(Secret(registry["BOUQUET_REGISTRY_DATABASE_URL"])) as store:
        whole = await habilitations.issue_token(store, name="Ville de Rennes", scopes=SCOPES)
        slow = await habilitations.issue_token(store, name="Ville de Vannes", scopes=SCOPES, calls_per_minute=2)
        other = await habilitations.issue_token(store, name="CROUS", scopes=("mesri_identite",))
        revoked = await habilitations.revoke_token(
            store, await habilitations.issue_token(store, name="Ville de Brest", scopes=SCOPES)
        )
    return Tokens(*(token(id=one.id) for one in (whole, slow, other, revoked)))


async def load(system: ProcessMesh, client: GatewayClient, tokens: Tokens) -> None:
    """Sends valid and invalid requests of all kinds for `LOADED_S` seconds."""
    # In every third round the upstreams are slow, and `CROWD` further requests are sent at the same time.
    questions: list[dict[str, Any]] = [
        {"params": CAF_ALLOCATAIRE},
        {"params": MSA_ALLOCATAIRE, "headers": FRESH},
        {"params": CAF_ALLOCATAIRE, "headers": FRESH},
        {"params": query_for(persona("MARCADET")), "headers": FRESH},
        {"params": UNKNOWN_PERSON},
        {"params": staged_query("CAF-UNAVAILABLE MSA-UNAVAILABLE")},
        {"params": staged_query("CAF-INTERNAL MSA-SLOW")},
        {"params": staged_query("CAF-RATE-LIMITED MSA-RATE-LIMITED")},
        {"params": staged_query("CAF-REJECTED MSA-REJECTED")},
        {"params": {**CAF_ALLOCATAIRE, "jourDateNaissance": "?"}},
        {"params": CAF_ALLOCATAIRE, "token": ""},
        {"params": CAF_ALLOCATAIRE, "token": token()},
        {"params": CAF_ALLOCATAIRE, "token": tokens.other},
        {"params": CAF_ALLOCATAIRE, "token": tokens.revoked},
        {"params": CAF_ALLOCATAIRE, "token": tokens.slow},
        {"path": f"/v3/{AWAY}/dossier/identite"},
        {"path": DOSSIERS, "method": "POST", "body": dossier_body({"qf": {"operation": "dss/quotient_familial"}})},
    ]  # fmt: skip
    client.token = tokens.whole
    end_at = time.monotonic() + LOADED_S
    for number in itertools.count():
        is_slow = number % 3 == 2
        system.upstreams.delay_s = 0.3 if is_slow else 0.0
        rush = [{"params": staged_query("CAF-FOUND", anneeDateNaissance=1940 + n)} for n in range(CROWD)]
        await asyncio.gather(*(client.get(**question) for question in questions + (rush if is_slow else [])))
        if time.monotonic() > end_at:
            return
