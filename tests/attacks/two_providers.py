"""A gateway with two providers: `honest`, and `acme`, whose replies tests set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
from msgspec import Raw, structs

from bouquet_mesh.bus.api import Bus
from bouquet_mesh.bus.memory import MemoryBus
from bouquet_proto.messages import Describe, Found, Reply, Request, encode
from bouquet_proto.offer import Authority, Offer
from tests.support.gateway import gateway_in_process
from tests.support.gateway_client import Answer, GatewayClient, token
from tests.support.offers import DURANT, dossier, offer

SCOPES = ("acme_dossier", "acme_age")
ACME_PATH, HONEST_PATH = "/v3/acme/dossier/identite", "/v3/honest/dossier/identite"
HONEST_OFFER = Offer(
    provider="honest",
    owner="team-honest",
    authority=Authority("HONEST", "91"),
    operations=(dossier(id="honest_v3_dossier", path=HONEST_PATH),),
    problems=offer().problems,
)
DATA = {"numero": "1", "titulaire": {"nom": "DURANT", "age": 30}}


class Provider:
    """Provider whose offer and replies are set by a test and may be invalid. `asked` counts the requests for data that
    it received, `told` the requests for its offer."""

    def __init__(self, offer: Any, data: Any = DATA) -> None:
        self.offer = offer
        self.reply: Reply = found(data)
        self.asked = 0
        self.told = 0

    async def __call__(self, request: Request) -> Reply:
        if isinstance(request, Describe):
            self.told += 1
            return found(self.offer)
        self.asked += 1
        return self.reply


def found(data: Any) -> Found:
    """Returns a `Found` reply that contains `data`, which may be invalid. Encodes `data` unless it is `Raw`, that is,
    encoded already."""
    return Found(data if isinstance(data, Raw) else Raw(encode(data)))


def acme_offer(**changes: Any) -> Offer:
    """Returns ACME's offer with only its first operation, some of whose fields are replaced."""
    [operation, *_] = offer().operations
    return structs.replace(offer(), operations=(structs.replace(operation, **changes),))


def altered(**changes: Any) -> Any:
    """Returns ACME's offer as a dictionary in which `changes` replace some members, possibly by invalid values."""
    return msgspec.to_builtins(offer()) | changes


@asynccontextmanager
async def gateway_client_for(bus: Bus, **settings: Any) -> AsyncIterator[GatewayClient]:
    async with gateway_in_process(bus, **{"providers": ("honest", "acme")} | settings) as (_, client):
        client.token = token(*SCOPES)
        yield client


async def ask(client: GatewayClient, path: str = ACME_PATH, **more: Any) -> Answer:
    """Calls an operation, by default ACME's, about a known person."""
    return await client.get(path, DURANT, **more)


@asynccontextmanager
async def gateway_between(
    acme: Provider, *, honest: Provider | None = None, **settings: Any
) -> AsyncIterator[GatewayClient]:
    """Runs a gateway in front of `acme` and `honest`, and yields a client of it."""
    bus = MemoryBus()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(bus.serve("acme", acme, concurrency=8))
        await stack.enter_async_context(bus.serve("honest", honest or Provider(HONEST_OFFER), concurrency=8))
        yield await stack.enter_async_context(gateway_client_for(bus, **settings))
