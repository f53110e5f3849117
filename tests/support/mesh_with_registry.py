"""A registry, the fictitious provider ACME and gateways, in the tests' process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
from msgspec import Raw

from bouquet_gateway.access.tokens import issue
from bouquet_mesh.bus.api import Bus, BusClient
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.outbox.api import Outbox
from bouquet_proto.messages import Changes, Describe, Found, Lookup, Reply, Request, WhoIs, encode
from bouquet_proto.rules import Check
from bouquet_registry.habilitations import Token
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import Store
from bouquet_registry.worker import answering
from tests.support import habilitations
from tests.support.gateway import gateway_in_process
from tests.support.gateway_client import TOKEN_KEY, Answer, GatewayClient
from tests.support.offers import DURANT, V2_DOSSIER, dossier, offer
from tests.support.waiting import until

PATH = "/v3/acme/dossier/identite"
SCOPES = ("acme_dossier", "acme_age")
INE_PATH = "/v3/acme/dossier/ine"
"""Path of ACME's operation by INE, the national student number."""
INE_DOSSIER = dossier(path=INE_PATH, id="acme_dossier_by_ine", modality="ine", checks=((Check("ine"),),))
DATA = Found(Raw(msgspec.json.encode({"numero": "1", "titulaire": {"nom": "DURANT", "age": 30}})))


class AcmeProvider:
    """Fictitious provider that finds every person, and keeps the lookups it receives."""

    def __init__(self) -> None:
        self.requests: list[Lookup] = []

    async def __call__(self, request: Request) -> Reply:
        if isinstance(request, Describe):
            return Found(Raw(encode(offer(dossier(), V2_DOSSIER, INE_DOSSIER))))
        assert isinstance(request, Lookup)
        self.requests.append(request)
        return DATA


class AcmeClient(GatewayClient):
    def __init__(self, client: GatewayClient) -> None:
        super().__init__(client.session, client.url)

    async def call(self, token: str, path: str = PATH, **headers: str) -> Answer:
        return await self.get(path, DURANT, token=token, headers=headers)

    async def outcome(self, token: str, **headers: str) -> str:
        """Calls ACME's operation. Returns `200`, or for an error its status and code, such as `401 00101`."""
        answer = await self.call(token, **headers)
        return "200" if answer.status == 200 else f"{answer.status} {answer.error['code']}"


class CountingBus:
    """A gateway's bus that counts the requests sent to the registry, and can hold back the registry's answers about
    tokens."""

    ready = True

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.tokens: list[str] = []
        self.delivered = 0
        self.polls = 0
        self.answered = asyncio.Event()
        """Event set once the registry has answered a question about a token, even if the answer is held back from the
        gateway."""
        self.passing = asyncio.Event()
        """Event that tests clear to make the bus hold back the registry's answers about tokens, and set to let the
        answers pass."""
        self.passing.set()

    async def call(self, provider: str, request: Request) -> Reply:
        if isinstance(request, WhoIs):
            self.tokens.append(request.token)
        reply = await self._bus.call(provider, request)
        if isinstance(request, WhoIs):
            self.answered.set()
            await self.passing.wait()
            self.delivered += 1
        self.polls += isinstance(request, Changes)
        return reply


class MeshWithRegistry:
    """A registry and the provider ACME on one bus, to which tests add gateways."""

    def __init__(self, bus_url: str, bus: Bus, stack: AsyncExitStack, store: Store) -> None:
        self._bus_url = bus_url
        self.bus = bus
        self._stack = stack
        self._registry: AsyncExitStack | None = None
        self.store = store
        self.acme = AcmeProvider()

    async def start_gateway(
        self,
        outbox: Outbox | None = None,
        *,
        bus: BusClient | None = None,
        epoch_s: Callable[[], float] = time.time,
        **settings: Any,
    ) -> AcmeClient:
        """Starts a gateway and returns a client of it. If `outbox` is given, the gateway keeps a journal and sends its
        access records to this outbox."""
        bus = bus or self.bus
        if self._bus_url != "memory:":
            bus = await self._stack.enter_async_context(open_bus(self._bus_url, "gateway"))
        own: dict[str, Any] = {"tokens_from": "registry", "providers": ("acme",), "journal": outbox is not None}
        opening = gateway_in_process(bus, outbox, epoch_s=epoch_s, **own | settings)
        gateway, client = await self._stack.enter_async_context(opening)
        if self._registry is not None:
            await until(lambda: "registry" not in gateway.readiness.unmet_conditions())
        return AcmeClient(client)

    async def open_registry(self) -> None:
        self._registry = AsyncExitStack()
        await self._registry.enter_async_context(answering(self.bus, self.store, RegistrySettings()))

    async def close_registry(self) -> None:
        if self._registry is not None:
            await self._registry.aclose()
            self._registry = None

    async def issue_token(self, **fields: Any) -> Token:
        return await habilitations.issue_token(self.store, **{"scopes": SCOPES} | fields)


@asynccontextmanager
async def mesh_with_registry(bus_url: str, store: Store) -> AsyncIterator[MeshWithRegistry]:
    """Yields a mesh with a running registry and no gateway yet."""
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(open_bus(bus_url, "workers"))
        made = MeshWithRegistry(bus_url, bus, stack, store)
        await stack.enter_async_context(bus.serve("acme", made.acme, concurrency=50))
        await made.open_registry()
        stack.push_async_callback(made.close_registry)
        yield made


def signed_token(token: Token | str, scopes: tuple[str, ...] = (), valid_s: float = 3600) -> str:
    """Returns a token signed with the key of the tests. If it contains no scopes, the gateway has to ask the registry
    for them."""
    id_ = token if isinstance(token, str) else token.id
    return issue(TOKEN_KEY, scopes, expires_at=int(time.time() + valid_s), token_id=id_, siret="")
