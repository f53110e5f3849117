"""Readiness of a gateway and a worker that run as processes."""

from __future__ import annotations

import asyncio

from tests.support.gateway_client import GatewayClient
from tests.support.processes import Process
from tests.support.waiting import TEST_TIMEOUT_S


async def readiness(client: GatewayClient, worker: Process) -> tuple[int, int]:
    """Returns the status codes of `/readyz` at the gateway and at the worker."""
    health = (await worker.until_logged("worker started"))["health_url"]
    gateway = (await client.get("/readyz")).status
    async with client.session.get(f"{health}/readyz") as answer:
        return gateway, answer.status


async def until_readiness_is(client: GatewayClient, worker: Process, expected: tuple[int, int]) -> None:
    """Waits until `readiness` is `expected`."""
    async with asyncio.timeout(TEST_TIMEOUT_S):
        while await readiness(client, worker) != expected:  # noqa: ASYNC110 - other processes', without an event
            await asyncio.sleep(0.05)
