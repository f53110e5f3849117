"""Examination of the workers and the registry, by messages over the bus. Workers answer `Describe` without calling
their provider's API."""

from __future__ import annotations

import asyncio
import uuid

from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.bus.api import Calling
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.doctor.findings import Finding, well, wrong
from bouquet_proto import registry_messages
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Changes, Describe, Failed, Found, Reply

TIMEOUT_S = 3.0


async def examine(url: str, settings: GatewaySettings) -> list[Finding]:
    """Returns a finding for each worker, and one for the registry if it is the source of tokens."""
    async with open_bus(url, "bouquet-gateway doctor") as bus:
        asking = [_worker(bus, provider) for provider in settings.providers]
        if settings.tokens_from == "registry":
            asking.append(_registry(bus))
        return list(await asyncio.gather(*asking))


async def _worker(bus: Calling, provider: str) -> Finding:
    describe = Describe(id=str(uuid.uuid4()), deadline=Deadline.after(TIMEOUT_S).at)
    match await bus.call(provider, describe):
        case Found():
            return well(f"worker of {provider}", "answers with its offer")
        case reply:
            return wrong(
                f"worker of {provider}", f"does not answer ({_reason(reply)})", "see the worker's log and its /readyz"
            )


async def _registry(bus: Calling) -> Finding:
    match await bus.call(
        registry_messages.PROVIDER, Changes(id=str(uuid.uuid4()), deadline=Deadline.after(TIMEOUT_S).at)
    ):
        case Found():
            return well("registry", "answers, and so does its database")
        case Failed(reason="registry_unavailable"):
            remedy = "is its database up, and migrated (`bouquet-registry migrate`)?"
            return wrong("registry", "answers that it cannot read its database", remedy)
        case reply:
            return wrong(
                "registry", f"does not answer ({_reason(reply)})", "see the registry's log, and that of its database"
            )


def _reason(reply: Reply) -> str:
    return reply.reason if isinstance(reply, Failed) else "no answer to the question"
