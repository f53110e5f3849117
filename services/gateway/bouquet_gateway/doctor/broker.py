"""Examination of RabbitMQ: the gateway's permissions, and the queues that it sends to."""

from __future__ import annotations

import asyncio

from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.doctor.broker import check_call_rights, check_journal_queue, check_provider_queue, connected
from bouquet_mesh.doctor.findings import Finding
from bouquet_proto import registry_messages

REGISTRY_REMEDY = "start `bouquet-registry serve`, and see its log"
JOURNAL_REMEDY = "start `bouquet-registry serve`, or its `journal serve`; until then records wait, none is lost"


async def examine(url: str, settings: GatewaySettings) -> tuple[list[Finding], bool]:
    async with connected(url, "bouquet-gateway doctor") as (connection, findings):
        if connection is None:
            return findings, False
        checks = [
            check_provider_queue(connection, provider, f"start `bouquet-worker run {provider}`, and see its log")
            for provider in settings.providers
        ]
        if settings.tokens_from == "registry":
            checks.append(check_provider_queue(connection, registry_messages.PROVIDER, REGISTRY_REMEDY))
        if settings.has_journal:
            checks.append(check_journal_queue(connection, JOURNAL_REMEDY))
        # At once: the broker may answer none of them, for example while the node of a queue is down.
        queues = await asyncio.gather(*checks)
        return [*findings, await check_call_rights(connection), *queues], True
