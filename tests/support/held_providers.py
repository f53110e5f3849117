"""Providers behind a gateway. They reply only when a test lets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
from msgspec import Raw

from bouquet_gateway.http.app import GatewayServices
from bouquet_mesh.bus.api import Bus
from bouquet_proto.messages import Describe, Found, Lookup, Reply, Request, encode
from bouquet_proto.offer import Authority, Offer
from bouquet_proto.rules import Check
from tests.support.gateway import gateway_in_process
from tests.support.gateway_client import RECIPIENT, GatewayClient, token
from tests.support.offers import dossier

DATA = {"numero": "1", "titulaire": {"nom": "DURANT", "age": 30}}


class HeldProvider:
    """A provider that describes its operations at once, but replies to lookups only once a test sets `release`."""

    def __init__(self, provider: str, prefix: str) -> None:
        self.provider = provider
        self.path = f"/v3/{provider}/dossier/identite"
        self.path_v2 = f"/api/v2/dossier-{provider}"
        self.requests: list[Lookup] = []
        self.release = asyncio.Event()
        v2 = {"path": self.path_v2, "checks": ((Check("nom", {"nom_naissance": "nom"}),),)}
        self._offer = Offer(
            provider=provider,
            owner="tests",
            authority=Authority(provider.upper(), prefix),
            operations=(
                dossier(id=f"{provider}_v3_dossier", path=self.path, reasons=()),
                dossier(id=f"{provider}_v2_dossier", reasons=(), **v2),
            ),
        )

    async def __call__(self, request: Request) -> Reply:
        if isinstance(request, Describe):
            return Found(Raw(encode(self._offer)))
        assert isinstance(request, Lookup)
        self.requests.append(request)
        await self.release.wait()
        return Found(Raw(msgspec.json.encode(DATA)))


def query_for(name: str) -> dict[str, Any]:
    born = {"anneeDateNaissance": 1990, "moisDateNaissance": 1, "jourDateNaissance": 2}
    who = {"nomNaissance": name, "prenoms[]": ["PAUL"], "codeCogInseePaysNaissance": "99351"}
    return {"recipient": RECIPIENT, **who, **born}


@asynccontextmanager
async def gateway_with_providers(
    bus: Bus, *funds: HeldProvider, concurrency: int = 100, **settings: Any
) -> AsyncIterator[tuple[GatewayServices, GatewayClient]]:
    """Runs these providers and a gateway that asks them. Yields the gateway's services and a client whose token has
    every scope of the providers."""
    providers = tuple(fund.provider for fund in funds)
    async with AsyncExitStack() as stack:
        for fund in funds:
            await stack.enter_async_context(bus.serve(fund.provider, fund, concurrency=concurrency, drain_s=0.1))
        gateway, client = await stack.enter_async_context(gateway_in_process(bus, providers=providers, **settings))
        client.token = token("acme_dossier", "acme_age")
        yield gateway, client
