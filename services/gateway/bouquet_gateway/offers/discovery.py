"""Discovery of offers. The gateway asks each provider for its offer repeatedly, so a new worker needs no restart of the
gateway."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterable
from typing import get_args

from msgspec import Raw

from bouquet_gateway import metrics
from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.offers.checks import Territories, read_offer
from bouquet_gateway.paths import OFFERED
from bouquet_mesh.bus.api import Calling
from bouquet_proto.deadline import Deadline
from bouquet_proto.limits import Excess
from bouquet_proto.messages import Describe, Found
from bouquet_proto.offer import Offer

log = logging.getLogger(__name__)

ASK_TIMEOUT_S = 2.0
MISSING_RETRY_S = 1.0
"""Seconds between requests for an offer to a provider that has not sent a valid one yet."""
REFRESH_S = 30.0
"""Seconds between requests for a new offer to a provider that has already sent one."""


class Discovery:
    """Latest valid offer of each provider that the gateway may ask. The offer stays valid when the provider's workers
    stop; calls to the provider then fail."""

    def __init__(
        self,
        bus: Calling,
        allowed: Iterable[str],
        territories: Territories | None = None,
    ) -> None:
        self._bus = bus
        self._allowed: tuple[str, ...] = ()
        self._territories = territories or {}
        self._offers: dict[str, Offer] = {}
        self._first_round_done = asyncio.Event()
        self.catalogue = Catalogue()
        """Catalogue of all current offers."""
        self.silent: set[str] = set()
        """Names of the allowed providers that did not answer the last request for their offer."""
        self._unreadable: dict[str, Raw] = {}
        """Last invalid reply of each provider, so that the same reply is logged only once."""
        self.allow(allowed)

    def allow(self, providers: Iterable[str]) -> None:
        """Replaces the allowed providers. The offers of removed providers are dropped; added providers are asked for
        their offers within `MISSING_RETRY_S` seconds."""
        former, self._allowed = self._allowed, tuple(providers)
        if former == self._allowed:
            return
        added, removed = set(self._allowed) - set(former), set(former) - set(self._allowed)
        for provider in removed:
            self._offers.pop(provider, None)
            self._unreadable.pop(provider, None)
            metrics.OPERATIONS.remove(provider)
        for provider in added:
            _create_metrics(provider)
        self.silent = (self.silent - removed) | added
        self._update_catalogue()
        if former:
            log.info("allowed providers changed", extra={"added": sorted(added), "removed": sorted(removed)})

    def allows(self, provider: str) -> bool:
        return provider in self._allowed

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the allowed providers without an offer."""
        return tuple(name for name in self._allowed if name not in self._offers)

    def may_be_offered(self, path: str) -> bool:
        """Returns whether a provider whose offer is still missing may offer this path later."""
        any_path = ("/",)
        return OFFERED.fullmatch(path) is not None and any(
            path.startswith(self._territories.get(name, any_path)) for name in self.missing
        )

    async def first_round(self) -> None:
        """Waits until every provider that the gateway may ask has been asked for its offer once."""
        await self._first_round_done.wait()

    async def run(self) -> None:
        """Requests offers again and again, until cancelled."""
        # It asks every second from providers without an offer, every half minute from all.
        refresh_in_s = 0.0
        while True:
            asks_all = refresh_in_s <= 0
            await asyncio.gather(*(self._ask(name) for name in (self._allowed if asks_all else self.missing)))
            refresh_in_s = REFRESH_S if asks_all else refresh_in_s - MISSING_RETRY_S
            self._first_round_done.set()
            await asyncio.sleep(MISSING_RETRY_S)

    async def _ask(self, provider: str) -> None:
        describe = Describe(id=str(uuid.uuid4()), deadline=Deadline.after(ASK_TIMEOUT_S).at)
        reply = await self._bus.call(provider, describe)
        if not self.allows(provider):  # it was removed meanwhile
            return
        match reply:
            case Found(data=data):
                self.silent.discard(provider)
            case _:
                self.silent.add(provider)
                return
        if data == self._unreadable.get(provider):
            return
        offer = read_offer(provider, data, self._territories)
        if offer is None:
            self._unreadable[provider] = data
            return
        if offer == self._offers.get(provider):
            return
        self._offers[provider] = offer
        metrics.OPERATIONS.labels(provider).set(len(offer.operations))
        log.info("offer received", extra={"provider": provider, "operations": len(offer.operations)})
        self._update_catalogue()

    def _update_catalogue(self) -> None:
        self.catalogue = Catalogue(self._offers[name] for name in self._allowed if name in self._offers)


def _create_metrics(provider: str) -> None:
    """Creates the counters of a provider at 0, so that a rate includes the first event."""
    metrics.OPERATIONS.labels(provider).set(0)
    metrics.OFFERS_REFUSED.labels(provider, "offer unreadable")
    for result in ("refused", "trimmed"):
        metrics.REPLIES_RESHAPED.labels(provider, result)
    for excess in filter(None, get_args(Excess)):
        metrics.REPLIES_REFUSED.labels(provider, excess)
