"""A gateway that runs in the process of the tests."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from bouquet_gateway.http.app import GatewayServices, make_app
from bouquet_gateway.settings import GatewaySettings
from bouquet_gateway.start.build import open_gateway, paris_now
from bouquet_mesh.bus.api import BusClient
from bouquet_mesh.http.server import serving
from bouquet_mesh.outbox.api import Outbox
from tests.support.gateway_client import TOKEN_KEY, GatewayClient, gateway_client

HOST = "127.0.0.1"
TEST_SETTINGS: dict[str, Any] = {"token_key": TOKEN_KEY, "tokens_from": "claims", "calls_per_second": 100_000}
"""Settings of gateways in tests: signed tokens are accepted without a registry, and the rate limit is too high to be
reached."""


@asynccontextmanager
async def gateway_in_process(
    bus: BusClient,
    outbox: Outbox | None = None,
    *,
    clock: Callable[[], datetime] = paris_now,
    epoch_s: Callable[[], float] = time.time,
    **settings: Any,
) -> AsyncIterator[tuple[GatewayServices, GatewayClient]]:
    """Runs a gateway and yields its services and a client of it. `settings` override `TEST_SETTINGS`."""
    async with (
        open_gateway(
            GatewaySettings(**TEST_SETTINGS | settings), bus, outbox, clock=clock, epoch_s=epoch_s
        ) as services,
        serving(make_app(services), HOST, 0) as port,
        gateway_client(f"http://{HOST}:{port}") as client,
    ):
        yield services, client
