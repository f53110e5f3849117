"""Examination of the workers and the registry by messages over the bus. The workers answer without calling an
upstream."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Mapping

from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.offers.checks import Territories, read_offer
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.bus.api import BusClient
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.doctor.broker import RIGHTS_SUBJECT, queue_subject
from bouquet_mesh.doctor.findings import Finding, well, wrong
from bouquet_mesh.doctor.timing import closed_in_time
from bouquet_proto import registry_messages
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Changes, Describe, Failed, Found, Reply

REGISTRY = "registry"
WORKER_REMEDY = "see the worker's log and its /readyz"
OFFER_REMEDY = "docs/runbooks/OfferRefused.md"
REGISTRY_REMEDY = "see the registry's log, and that of its database"


def worker_subject(provider: str) -> str:
    """Returns the name, such as `worker of cnaf`, of the check of a provider's worker."""
    return f"worker of {provider}"


async def examine(url: str, settings: GatewaySettings, deadline: Deadline) -> list[Finding]:
    """Checks that each worker answers over the bus at `url`. Also checks the registry if tokens' rights come from
    there. Returns one finding (result) for each worker and for the registry.

    Adds one finding for each offer that the gateway would not serve in full. An offer is a worker's description of its
    operations.
    """
    async with closed_in_time(open_bus(url, "bouquet-gateway doctor")) as bus:
        describe = Describe(id=str(uuid.uuid4()), deadline=deadline.at)
        asking = (bus.call(provider, describe) for provider in settings.providers)
        registry = [_registry(bus, deadline)] if settings.tokens_from == "registry" else []
        replies, findings = await asyncio.gather(asyncio.gather(*asking), asyncio.gather(*registry))
    by_provider = dict(zip(settings.providers, replies, strict=True))
    workers = [_worker(provider, reply) for provider, reply in by_provider.items()]
    return [*workers, *_refused_offers(by_provider, settings.allowed_paths()), *findings]


def _worker(provider: str, reply: Reply) -> Finding:
    subject = worker_subject(provider)
    if isinstance(reply, Found):
        return well(subject, "answers with its offer")
    return wrong(subject, f"does not answer ({_reason(reply)})", WORKER_REMEDY, _path_to(provider))


def _refused_offers(replies: Mapping[str, Reply], allowed: Territories) -> Iterator[Finding]:
    """Yields a finding (result of a check) for each offer that the gateway would not serve in full. An offer is a
    worker's description of its operations.

    `replies` holds the workers' replies by provider, and `allowed` the path prefixes that each provider may use.
    """
    read = {name: read_offer(name, reply.data, allowed) for name, reply in replies.items() if isinstance(reply, Found)}
    catalogue = Catalogue(one.offer for one in read.values() if one.offer)
    for provider, one in read.items():
        if refusals := (*one.refusals, *catalogue.refusals.get(provider, ())):
            yield wrong(f"offer of {provider}", "; ".join(map(str, refusals)), OFFER_REMEDY)


async def _registry(bus: BusClient, deadline: Deadline) -> Finding:
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
    """Returns the names of two checks: of the gateway's permissions at the broker, and of the provider's queue. Unless
    both pass, no message reaches the provider."""
    return RIGHTS_SUBJECT, queue_subject(provider)


def _reason(reply: Reply) -> str:
    return reply.reason if isinstance(reply, Failed) else "no answer to the question"
