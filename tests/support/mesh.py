"""The whole mesh in the tests' process: simulated administrations, their workers and a gateway."""

from __future__ import annotations

import asyncio
import time as epoch
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, datetime, time
from typing import Any, TypeAlias

from aiohttp import ClientSession, web

from bouquet_cnaf.simulator import simulator as cnaf_simulator
from bouquet_cnaf.worker import worker as cnaf
from bouquet_gateway.http.app import GatewayServices
from bouquet_gateway.paris import PARIS
from bouquet_mesh.bus.api import Bus
from bouquet_mesh.bus.open import open_bus
from bouquet_mesh.listen import listening
from bouquet_mesh.outbox.api import Outbox
from bouquet_msa.simulator import simulator as msa_simulator
from bouquet_msa.worker import worker as msa
from bouquet_proto.names import worker_prefix
from bouquet_worker.simulate import CLOCK, RECEIVED, Received, Simulator
from bouquet_worker.worker import Worker
from tests.support.clock import DatetimeClock
from tests.support.gateway import HOST, gateway_in_process
from tests.support.gateway_client import GatewayClient

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

TODAY = date(2026, 4, 15)
PROVIDERS: dict[str, tuple[Worker, Simulator]] = {"cnaf": (cnaf, cnaf_simulator), "msa": (msa, msa_simulator)}
"""Map from each provider to its worker and to the simulator of the administration's API that the worker calls."""

LONG_TIMEOUTS: dict[str, Any] = {"deadline_s": 30.0, "hedge_after_s": 25.0, "double_file_grace_s": 25.0}
"""Gateway settings with timeouts of 25 to 30 seconds, so that a reply delayed by a busy machine still arrives in
time."""


def short_upstream_timeouts(*providers: str, after_s: float = 0.3) -> dict[str, str]:
    """Returns settings that make the workers of these providers stop waiting for a silent upstream after `after_s`
    seconds."""
    return {f"{worker_prefix(provider)}HUB_TIMEOUT_S": str(after_s) for provider in providers}


class HeldUpstreams:
    """Switch by which tests hold back or delay the answers of the simulators. Requests for OAuth tokens are always
    answered at once."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.delay_s = 0.0
        self._only: tuple[str, ...] = ()

    def middleware(self, provider: str) -> Any:
        @web.middleware
        async def wait(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not request.path.endswith("/token"):
                if not self._only or provider in self._only:
                    await self.open.wait()
                await asyncio.sleep(self.delay_s)
            return await handler(request)

        return wait

    def hold(self, *only: str) -> None:
        """Holds back the answers of the providers named in `only`, or of all if none is named, until a test sets the
        event `open`."""
        self._only = only
        self.open.clear()


class Mesh(GatewayClient):
    """A client of a mesh's gateway. Through its attributes, tests have access to the other parts of the mesh."""

    def __init__(
        self,
        session: ClientSession,
        url: str,
        gateway: GatewayServices,
        simulators: Mapping[str, web.Application],
        workers_bus: Bus,
        clock: DatetimeClock,
        gate: HeldUpstreams,
    ) -> None:
        super().__init__(session, url)
        self.upstreams = gate
        self.gateway = gateway
        self.simulators = simulators
        self.workers_bus = workers_bus
        self.clock = clock

    def received(self, provider: str) -> list[Received]:
        """Returns the requests that a provider's simulator received since the last `clear_received`. Requests for OAuth
        tokens are left out."""
        return [received for received in self.simulators[provider][RECEIVED] if not received.path.endswith("/token")]

    def clear_received(self) -> None:
        for app in self.simulators.values():
            app[RECEIVED].clear()

    @property
    def call_counts(self) -> dict[str, int]:
        """Number of requests that each provider's simulator received since the last `clear_received`. Requests for
        OAuth tokens do not count."""
        return {provider: len(self.received(provider)) for provider in self.simulators}


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
    """Runs a mesh and yields a client of its gateway. The workers get the settings in `environ`, the gateway those in
    `settings`."""
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(open_bus(bus_url, "gateway"))
        theirs = bus if bus_url == "memory:" else await stack.enter_async_context(open_bus(bus_url, "workers"))
        gate, simulators = HeldUpstreams(), dict[str, web.Application]()
        for provider in workers:
            working = _working(provider, theirs, today, environ or {}, gate)
            simulators[provider] = await stack.enter_async_context(working)
        clock = DatetimeClock(datetime.combine(today, time(12), PARIS))
        own = LONG_TIMEOUTS | {"providers": tuple(PROVIDERS)}
        opening = gateway_in_process(bus, outbox, clock=clock, epoch_s=epoch_s, **own | settings)
        gateway, client = await stack.enter_async_context(opening)
        # The first to go, so that nothing that ends waits for a gate that nobody opens.
        stack.callback(gate.open.set)
        yield Mesh(client.session, client.url, gateway, simulators, theirs, clock, gate)


@asynccontextmanager
async def _working(
    provider: str, bus: Bus, today: date, environ: Mapping[str, str], gate: HeldUpstreams
) -> AsyncIterator[web.Application]:
    worker, simulator = PROVIDERS[provider]
    app, clock = simulator.app(), worker.clock
    if provider != "france_connect":  # no fund
        app.middlewares.append(gate.middleware(provider))
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
