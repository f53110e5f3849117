"""Examination of the workers and the registry, by messages over the bus. Workers answer `Describe` without calling
their provider's API."""

from __future__ import annotations

import asyncio
import uuid

from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.bus.api import Calling
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.doctor.broker import RIGHTS_SUBJECT, queue_subject
from bouquet_mesh.doctor.findings import Finding, well, wrong
from bouquet_mesh.doctor.timing import closed_in_time
from bouquet_proto import registry_messages
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Changes, Describe, Failed, Found, Reply

REGISTRY = "registry"
WORKER_REMEDY = "see the worker's log and its /readyz"
REGISTRY_REMEDY = "see the registry's log, and that of its database"


def worker_subject(provider: str) -> str:
    """Returns the subject of the finding about a provider's worker."""
    return f"worker of {provider}"


async def examine(url: str, settings: GatewaySettings, deadline: Deadline) -> list[Finding]:
    """Returns a finding for each worker, and one for the registry if it is the source of tokens."""
    async with closed_in_time(open_bus(url, "bouquet-gateway doctor")) as bus:
        asking = [_worker(bus, provider, deadline) for provider in settings.providers]
        if settings.tokens_from == "registry":
            asking.append(_registry(bus, deadline))
        return list(await asyncio.gather(*asking))


async def _worker(bus: Calling, provider: str, deadline: Deadline) -> Finding:
    subject = worker_subject(provider)
    match await bus.call(provider, Describe(id=str(uuid.uuid4()), deadline=deadline.at)):
        case Found():
            return well(subject, "answers with its offer")
        case reply:
            return wrong(subject, f"does not answer ({_reason(reply)})", WORKER_REMEDY, _path_to(provider))


async def _registry(bus: Calling, deadline: Deadline) -> Finding:
    match await bus.call(registry_messages.PROVIDER, Changes(id=str(uuid.uuid4()), deadline=deadline.at)):
        case Found():
            return well(REGISTRY, "answers, and so does its database")
        case Failed(reason="registry_unavailable"):
            remedy = "is its database up, and migrated (`bouquet-registry migrate`)?"
            return wrong(REGISTRY, "answers that it cannot read its database", remedy)
        case reply:
            says = f"does not answer ({_reason(reply)})"
            return wrong(REGISTRY, says, REGISTRY_REMEDY, _path_to(registry_messages.PROVIDER))


def _path_to(provider: str) -> tuple[str, ...]:
    """Returns the subjects of the findings about what a message to a provider passes."""
    return RIGHTS_SUBJECT, queue_subject(provider)


def _reason(reply: Reply) -> str:
    return reply.reason if isinstance(reply, Failed) else "no answer to the question"
