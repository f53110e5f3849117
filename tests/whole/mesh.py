"""The mesh in this process: two simulators, their workers and a gateway, over any bus, at any date."""

from __future__ import annotations

import time as epoch
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, datetime, time
from typing import Any

from aiohttp import ClientSession, web

from bouquet_cnaf.simulator import simulator as cnaf_simulator
from bouquet_cnaf.worker import worker as cnaf
from bouquet_gateway.http.app import Parts, make_app
from bouquet_gateway.lookup.maintenance import PARIS
from bouquet_gateway.settings import GatewaySettings
from bouquet_gateway.start.build import opened
from bouquet_mesh.bus.api import Bus
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.http.server import serving
from bouquet_mesh.listen import listening
from bouquet_mesh.outbox.api import Outbox
from bouquet_msa.simulator import simulator as msa_simulator
from bouquet_msa.worker import worker as msa
from bouquet_proto.names import worker_prefix
from bouquet_worker.simulate import CLOCK, RECEIVED, Received, Simulator
from bouquet_worker.worker import Worker
from tests.whole.door import TOKEN_KEY, Door, door

HOST = "127.0.0.1"
TODAY = date(2026, 4, 15)
PROVIDERS: dict[str, tuple[Worker, Simulator]] = {"cnaf": (cnaf, cnaf_simulator), "msa": (msa, msa_simulator)}


class Clock:
    """The gateway's, in Paris, which stands still until a test sets it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


QUICK = {"BOUQUET_CNAF_HUB_TIMEOUT_S": "0.8", "BOUQUET_MSA_HUB_TIMEOUT_S": "0.8"}
"""Workers that soon give a silent fund up."""


class Mesh(Door):
    """A client of a mesh whose every part is at hand."""

    def __init__(
        self,
        session: ClientSession,
        url: str,
        gateway: Parts,
        simulators: Mapping[str, web.Application],
        workers_bus: Bus,
        clock: Clock,
    ) -> None:
        super().__init__(session, url)
        self.gateway = gateway
        self.simulators = simulators
        self.workers_bus = workers_bus
        self.clock = clock

    def heard(self, provider: str) -> list[Received]:
        """What a fund was asked about people since the mesh is up, or since `forget`."""
        return [received for received in self.simulators[provider][RECEIVED] if not received.path.endswith("/token")]

    def forget(self) -> None:
        """The funds do not remember what they were asked. The gateway does."""
        for app in self.simulators.values():
            app[RECEIVED].clear()

    @property
    def calls(self) -> dict[str, int]:
        """How many questions each fund has heard."""
        return {provider: len(self.heard(provider)) for provider in self.simulators}


@asynccontextmanager
async def mesh(
    bus_url: str = "memory:",
    *,
    today: date = TODAY,
    workers: tuple[str, ...] = ("cnaf", "msa"),
    environ: Mapping[str, str] | None = None,
    outbox: Outbox | None = None,
    epoch_s: Callable[[], float] = epoch.time,
    **settings: Any,
) -> AsyncIterator[Mesh]:
    """Usable at once. `environ` is for the workers, `settings` are the gateway's, and `outbox` is for its journal,
    `epoch_s` the clock of its rate limits."""
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(open_bus(bus_url, "gateway"))
        theirs = bus if bus_url == "memory:" else await stack.enter_async_context(open_bus(bus_url, "workers"))
        simulators: dict[str, web.Application] = {}
        for provider in workers:
            app = await stack.enter_async_context(_working(provider, theirs, today, environ or {}))
            simulators[provider] = app
        own: dict[str, Any] = {"tokens_from": "claims", "calls_per_second": 10_000, "providers": tuple(PROVIDERS)}
        chosen = GatewaySettings(token_key=TOKEN_KEY, **own | settings)
        clock = Clock(datetime.combine(today, time(12), PARIS))
        gateway = await stack.enter_async_context(opened(chosen, bus, outbox, clock=clock, epoch_s=epoch_s))
        port = await stack.enter_async_context(serving(make_app(gateway), HOST, 0))
        client = await stack.enter_async_context(door(f"http://{HOST}:{port}"))
        yield Mesh(client.session, client.url, gateway, simulators, theirs, clock)


@asynccontextmanager
async def _working(provider: str, bus: Bus, today: date, environ: Mapping[str, str]) -> AsyncIterator[web.Application]:
    """A worker and the simulator that it asks."""
    worker, simulator = PROVIDERS[provider]
    app, clock = simulator.app(), worker.clock
    app[CLOCK] = worker.clock = lambda: today
    prefix = worker_prefix(provider)
    own = {name: value for name, value in environ.items() if name.startswith(prefix)}
    own[f"{prefix}DRAIN_S"] = "0.1"  # what is still at work when a test ends waits for a fund that will not answer
    try:
        async with (
            listening(app, HOST, 0) as url,
            worker.running(bus, simulator.settings(url) | own),
        ):
            yield app
    finally:
        worker.clock = clock
