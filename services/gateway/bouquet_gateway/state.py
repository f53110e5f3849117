"""What one gateway process holds, made once and handed to every hop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from bouquet_gateway.access.holders import Holders
from bouquet_gateway.access.rate_limit import RateLimiter
from bouquet_gateway.journal.record import Journal
from bouquet_gateway.lookup.maintenance import PARIS, MaintenanceWindows
from bouquet_gateway.lookup.regime import Decision
from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.paths import Envelope, envelope_of
from bouquet_gateway.public import openapi, openapi_statuses
from bouquet_gateway.public.health_window import HealthWindow
from bouquet_gateway.settings import GatewaySettings
from bouquet_gateway.stores.cache import Cache
from bouquet_gateway.stores.single_flight import SingleFlight
from bouquet_mesh.bus.api import Calling
from bouquet_mesh.secret import Secret


def paris_now() -> datetime:
    """ "Now" and "today" of every rule of the contract."""
    return datetime.now(PARIS)


class Gateway:
    def __init__(
        self,
        settings: GatewaySettings,
        *,
        bus: Calling,
        cache: Cache,
        cache_secret: Secret,
        holders: Holders,
        pace: RateLimiter,
        windows: MaintenanceWindows,
        journal: Journal,
        clock: Callable[[], datetime] = paris_now,
    ) -> None:
        self.clock = clock
        self.settings = settings
        self.bus = bus
        self.cache = cache
        self.cache_secret = cache_secret
        self.holders = holders
        self.trusted_proxies = settings.proxies()
        self.exempt = settings.exempt()
        self.pace = pace
        self.windows = windows
        self.journal = journal
        self.flights: SingleFlight[Decision] = SingleFlight()
        self.vitals: defaultdict[str, HealthWindow] = defaultdict(HealthWindow)
        """By status; as many as the offers name."""
        self.catalogue = Catalogue()
        self._documents: dict[Envelope | None, dict[str, Any]] = {}
        self.discovery = Discovery(bus, settings.providers, self.serve, settings.bounds())

    def serve(self, catalogue: Catalogue) -> None:
        """From the next request on."""
        self.catalogue = catalogue
        self._documents = {}

    def hear(self, status: str, *, outage: bool) -> None:
        """How a call of a resource ended, for its status. Not told of those that have none."""
        if status:
            self.vitals[status].hear(self.clock(), outage=outage)

    def document(self, envelope: Envelope | None = None) -> dict[str, Any]:
        """The OpenAPI document of the catalogue, or of its paths with one envelope. Made once. The statuses stand where
        the reference has them, with version 2."""
        if envelope not in self._documents:
            paths = self.catalogue.by_path.items()
            chosen = {path: served for path, served in paths if envelope in (None, envelope_of(path))}
            more = openapi_statuses.paths(self.catalogue.watched) if envelope != "v3" else {}
            self._documents[envelope] = openapi.document(chosen, more=more)
        return self._documents[envelope]


GATEWAY = web.AppKey("gateway", Gateway)
