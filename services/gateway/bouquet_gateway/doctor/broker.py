"""Examination of RabbitMQ for `bouquet-gateway doctor`: the gateway's permissions, the queues that the gateway sends
to, and the workers that answer on them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

from bouquet_gateway.doctor import mesh
from bouquet_gateway.settings import GatewaySettings
from bouquet_mesh.amqp.connection import Connection
from bouquet_mesh.doctor import files
from bouquet_mesh.doctor.broker import (
    SETTING,
    check_call_rights,
    check_journal_queue,
    check_provider_queue,
    connected,
)
from bouquet_mesh.doctor.findings import Finding, unknown
from bouquet_mesh.secret import Secret
from bouquet_proto import registry_messages
from bouquet_proto.deadline import Deadline
from bouquet_proto.names import EMBEDDED

REGISTRY_REMEDY = "start `bouquet-registry serve`, and see its log"
JOURNAL_REMEDY = "start `bouquet-registry serve`, or its `journal serve`; until then records wait, none is lost"


async def examine(bus_url: Secret, settings: GatewaySettings, deadline: Deadline) -> list[Finding]:
    """Examines the broker, and returns the findings (results of checks). If the broker can be reached, also examines
    the gateway's permissions, the queues, the workers and the registry."""
    url = bus_url.reveal()
    if url == EMBEDDED:
        return [unknown("broker", "none is used (memory:): the gateway hosts its workers itself")]
    async with connected(url, "bouquet-gateway doctor", deadline) as (connection, findings):
        if connection is None:
            return findings
        rights, queues, answers = await asyncio.gather(
            check_call_rights(connection, deadline),
            asyncio.gather(*_queue_checks(connection, settings, deadline)),
            mesh.examine(url, settings, deadline),
        )
        return [*findings, rights, *queues, *answers, *files.check_servers(SETTING, bus_url)]


def _queue_checks(
    connection: Connection, settings: GatewaySettings, deadline: Deadline
) -> Iterator[Coroutine[Any, Any, Finding]]:
    for provider in settings.providers:
        remedy = f"start `bouquet-worker run {provider}`, and see its log"
        yield check_provider_queue(connection, provider, remedy, deadline)
    if settings.tokens_from == "registry":
        yield check_provider_queue(connection, registry_messages.PROVIDER, REGISTRY_REMEDY, deadline)
    if settings.has_journal:
        yield check_journal_queue(connection, JOURNAL_REMEDY, deadline)
