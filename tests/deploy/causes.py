"""Causes of alerts. Each is a context manager that makes an alert fire in a running mesh, and restores the mesh at its
end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from bouquet_proto.names import queue_of
from tests.deploy.alert_mesh import ALMOST_A_LIFE, Alert, Load, Mesh
from tests.support.broker import Broker

Cause = Callable[[Mesh], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def a_fund_fails_and_the_other_is_slow(mesh: Mesh) -> AsyncIterator[None]:
    mesh.load = Load(clients=20, asking=("CAF-UNAVAILABLE MSA-FOUND",))
    mesh.system.upstreams.delay_s = 2.3
    yield
    mesh.load = Load()
    mesh.system.upstreams.delay_s = 0.0


@asynccontextmanager
async def a_provider_fails_each_call_in_a_different_way(mesh: Mesh) -> AsyncIterator[None]:
    mesh.load = Load(clients=20, asking=("CAF-TROUBLED MSA-FOUND",))
    yield
    mesh.load = Load()


@asynccontextmanager
async def both_funds_lose_their_files(mesh: Mesh) -> AsyncIterator[None]:
    mesh.load = Load(clients=20, asking=("CAF-NO-FILE MSA-NO-FILE",))
    yield
    mesh.load = Load()


@asynccontextmanager
async def both_funds_know_everybody_and_the_cache_is_slow(mesh: Mesh) -> AsyncIterator[None]:
    mesh.load = Load(clients=30, pause_s=0.0, asking=("CAF-FOUND MSA-FOUND",))
    mesh.redis.delay_s = 0.04
    yield
    mesh.load = Load()
    mesh.redis.delay_s = 0.0


@asynccontextmanager
async def a_token_and_a_certificate_end_soon(mesh: Mesh) -> AsyncIterator[None]:
    text, token = await mesh.token(issued_ago=ALMOST_A_LIFE)
    mesh.client.token, kept = text, mesh.client.token
    mesh.certify_gateway(for_days=1)
    yield
    mesh.client.token = kept
    await mesh.revoke(token)
    mesh.certify_gateway(for_days=90)


@asynccontextmanager
async def an_event_of_datapass_cannot_be_applied(mesh: Mesh) -> AsyncIterator[None]:
    digest = await mesh.set_event_aside()
    yield
    await mesh.discard_event(digest)


@asynccontextmanager
async def a_worker_and_the_journal_are_killed(mesh: Mesh) -> AsyncIterator[None]:
    await asyncio.gather(mesh.cnaf.kill(), mesh.journal.kill())
    yield
    mesh.cnaf, mesh.journal = await asyncio.gather(mesh.start_worker("cnaf"), mesh.start_journal())


@asynccontextmanager
async def the_only_gateway_is_killed(mesh: Mesh) -> AsyncIterator[None]:
    await mesh.gateway.kill()
    yield
    mesh.gateway, _ = await mesh.start_gateway()


@asynccontextmanager
async def a_gateway_has_no_journal_a_wrong_file_of_providers_and_a_refused_offer(mesh: Mesh) -> AsyncIterator[None]:
    file = mesh.providers_file("cnaf\nmsa\n")
    await mesh.gateway.stop()
    own = {"journal": "false", "providers": "", "providers_file": file, "territories": "msa:/v3/msa/"}
    mesh.gateway, _ = await mesh.start_gateway(**own)
    mesh.providers_file("cnaf\nthe MSA\n")
    yield
    await mesh.gateway.stop()
    mesh.gateway, _ = await mesh.start_gateway()


@asynccontextmanager
async def the_journal_is_killed_and_its_queue_deleted(mesh: Mesh) -> AsyncIterator[None]:
    """Stops the journal's writer and deletes its queue. Gateways then keep records on disk until their spool is
    full."""
    mesh.load = Load(clients=10, pause_s=0.05)
    await mesh.journal.kill()
    await mesh.delete_journal_queue()
    yield
    mesh.journal = await mesh.start_journal()
    mesh.load = Load()


@asynccontextmanager
async def the_broker_has_no_memory_left(mesh: Mesh) -> AsyncIterator[None]:
    mesh.load = Load(clients=10, pause_s=0.05)
    await mesh.rabbit.control("set_vm_memory_high_watermark", "0.00001")
    yield
    await mesh.rabbit.control("set_vm_memory_high_watermark", "0.4")
    mesh.load = Load()


@asynccontextmanager
async def the_broker_loses_its_queues(mesh: Mesh) -> AsyncIterator[None]:
    """Makes the request queues unavailable, as if the broker node that hosts them had stopped. Providers' workers then
    receive requests from reserve queues instead."""
    broker = Broker(mesh.rabbit, mesh.system.bus_url)
    await broker.lose_queues()
    yield
    for provider in ("cnaf", "msa", "registry"):
        await broker.give_back(queue_of(provider))


@asynccontextmanager
async def the_registrys_api_is_killed(mesh: Mesh) -> AsyncIterator[None]:
    await mesh.api.kill()
    yield
    mesh.api = await mesh.start_api()


@asynccontextmanager
async def a_client_of_the_registrys_api_has_a_wrong_secret(mesh: Mesh) -> AsyncIterator[None]:
    calling = asyncio.create_task(mesh.call_api_without_secret(600))
    yield
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)


@asynccontextmanager
async def the_portal_is_killed(mesh: Mesh) -> AsyncIterator[None]:
    await mesh.portal.kill()
    yield
    mesh.portal = await mesh.start_portal()


@asynccontextmanager
async def a_new_portal_starts_without_a_gateway(mesh: Mesh) -> AsyncIterator[None]:
    """Starts the portal with an empty database, which has no documents of former readings."""
    await asyncio.gather(mesh.gateway.kill(), mesh.portal.stop())
    mesh.remove_portal_database()
    mesh.portal = await mesh.start_portal()
    visiting = asyncio.create_task(mesh.visit_reference(10_000))
    yield
    visiting.cancel()
    await asyncio.gather(visiting, return_exceptions=True)
    mesh.gateway, _ = await mesh.start_gateway()


@asynccontextmanager
async def an_expired_record_has_been_changed(mesh: Mesh) -> AsyncIterator[None]:
    """Dates the journal's first record back, so that it is expired and its chain is broken."""
    await mesh.journal.stop()
    dated = await mesh.date_first_record(0.0)
    mesh.journal = await mesh.start_journal(keep_months=36)
    yield
    await mesh.journal.stop()
    await mesh.date_first_record(dated)
    mesh.journal = await mesh.start_journal()


FIRED_IN_A_CLUSTER: set[Alert] = {
    ("BrokerNodeLost", "ticket"),
    ("BrokerMinority", "ticket"),
    ("JournalQueueStuck", "ticket"),
    ("BrokerDivided", "ticket"),
}
"""Alerts that only a broker of several nodes can cause. `tests/cluster/test_lost_node.py` tests them, and
`tests/cluster/mnesia.py` the last one."""
FIRED_BY: dict[Cause, set[Alert]] = {
    a_fund_fails_and_the_other_is_slow: {
        ("ProviderDown", "ticket", "cnaf"),
        ("BreakerOpen", "ticket", "cnaf"),
        ("ProviderSlow", "ticket", "msa"),
    },
    a_provider_fails_each_call_in_a_different_way: {
        ("ProviderDown", "ticket", "cnaf"),
    },
    both_funds_lose_their_files: {
        ("ProviderFindsNobody", "ticket", "cnaf"),
        ("ProviderFindsNobody", "ticket", "msa"),
    },
    both_funds_know_everybody_and_the_cache_is_slow: {
        ("RegimeConflicts", "ticket", "double_rattachement"),
        ("OverheadBurning", "ticket"),
    },
    a_worker_and_the_journal_are_killed: {
        ("QueueWithoutConsumer", "ticket", "cnaf", "bouquet.q.cnaf"),
        ("QueueWithoutConsumer", "ticket", "bouquet.journal"),
        ("JournalLagging", "ticket"),
        ("AvailabilityBurning", "page"),
    },
    the_only_gateway_is_killed: {
        ("GatewayAway", "page"),
        ("PortalDocumentsStale", "ticket", "openapi"),
    },
    a_gateway_has_no_journal_a_wrong_file_of_providers_and_a_refused_offer: {
        ("SafeguardOff", "page"),
        ("ProvidersFileRefused", "ticket"),
        ("OfferRefused", "ticket", "msa"),
        ("NotReady", "ticket", "bouquet-msa"),
    },
    the_journal_is_killed_and_its_queue_deleted: {
        ("JournalLagging", "ticket"),
        ("JournalSpoolFilling", "page"),
        ("AvailabilityBurning", "page"),
        ("AvailabilityBurning", "ticket"),
        ("NotReady", "ticket", "bouquet-gateway"),
    },
    the_broker_has_no_memory_left: {
        ("BrokerAlarm", "page"),
        ("NotReady", "ticket", "bouquet-gateway"),
        ("GatewayAway", "page"),
    },
    the_broker_loses_its_queues: {
        ("ReserveQueueUsed", "ticket", "bouquet.q.cnaf.reserve"),
        ("ReserveQueueUsed", "ticket", "bouquet.q.msa.reserve"),
        ("ReserveQueueUsed", "ticket", "bouquet.q.registry.reserve"),
    },
    an_event_of_datapass_cannot_be_applied: {
        ("DatapassEventsAside", "ticket"),
    },
    an_expired_record_has_been_changed: {
        ("JournalPruningFailed", "ticket"),
    },
    the_registrys_api_is_killed: {
        ("RegistryApiDown", "ticket"),
    },
    a_client_of_the_registrys_api_has_a_wrong_secret: {
        ("RegistryApiRefusals", "ticket"),
    },
    the_portal_is_killed: {
        ("PortalDown", "ticket"),
    },
    a_new_portal_starts_without_a_gateway: {
        ("PortalErrors", "ticket"),
        ("PortalDocumentsStale", "ticket", "states"),
    },
    a_token_and_a_certificate_end_soon: {
        ("TokensExpiring", "ticket"),
        ("CertificateExpiring", "page"),
        ("CertificateExpiring", "ticket"),
    },
}
