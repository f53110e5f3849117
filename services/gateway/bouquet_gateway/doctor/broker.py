"""Examination of RabbitMQ: the gateway's permissions, and the queues that it sends to."""

from __future__ import annotations

from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.doctor.broker import check_call_rights, check_journal_queue, check_provider_queue, connected
from bouquet_mesh.doctor.findings import Finding
from bouquet_proto import registry_messages

JOURNAL_REMEDY = "start `bouquet-registry serve`, or its `journal serve`; until then records wait, none is lost"


async def examine(url: str, settings: GatewaySettings) -> tuple[list[Finding], bool]:
    async with connected(url, "bouquet-gateway doctor") as (connection, findings):
        if connection is None:
            return findings, False
        queues = []
        for provider in settings.providers:
            remedy = f"start `bouquet-worker run {provider}`, and see its log"
            queues.append(await check_provider_queue(connection, provider, remedy))
        if settings.tokens_from == "registry":
            queues.append(
                await check_provider_queue(connection, registry_messages.PROVIDER, "start `bouquet-registry serve`")
            )
        if settings.has_journal:
            queues.append(await check_journal_queue(connection, JOURNAL_REMEDY))
        return [*findings, await check_call_rights(connection), *queues], True
