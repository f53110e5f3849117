"""Discovery of offers, the descriptions of operations that workers send. The gateway asks each provider for its offer
at regular intervals."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Iterable
from typing import get_args

from bouquet_gateway import metrics
from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.offers.checks import OfferRefusal, Territories
from bouquet_gateway.offers.provider_offer import ProviderOffer
from bouquet_gateway.paths import OFFERED
from bouquet_mesh.bus.api import BusClient
from bouquet_proto.deadline import Deadline
from bouquet_proto.limits import Excess
from bouquet_proto.messages import Describe, Found

log = logging.getLogger(__name__)

ASK_TIMEOUT_S = 2.0
MISSING_RETRY_S = 1.0
"""Seconds between two requests for a provider's offer, if the offer is missing or refused in part."""
REFRESH_S = 30.0
"""Seconds between two requests for a provider's offer, if the whole offer is accepted."""
MAX_REPORTED_REFUSALS = 100
"""Largest number of refused parts of an offer that the gateway reports to the worker that sent the offer."""


class Discovery:
    """Service that holds the latest valid offer (description of operations) of each provider that the gateway may ask.
    An offer stays valid when the provider's workers stop; calls to the provider then fail."""

    def __init__(
        self,
        bus: BusClient,
        allowed: Iterable[str],
        territories: Territories | None = None,
    ) -> None:
        self._bus = bus
        self._allowed: tuple[str, ...] = ()
        self._territories = territories or {}
        self._providers: dict[str, ProviderOffer] = {}
        self._reported: dict[str, tuple[OfferRefusal, ...]] = {}
        """Refused parts of each provider's offer (description of operations) that are already in the log, by the
        provider's name."""
        self._first_round_done = asyncio.Event()
        self.catalogue = Catalogue()
        """Catalogue of the operations in the current offers of all allowed providers."""
        self.silent: set[str] = set()
        """Names of the allowed providers that did not answer the last request for their offer, or have not been asked
        yet."""
        self.allow(allowed)

    def allow(self, providers: Iterable[str]) -> None:
        """Replaces the set of providers that the gateway may ask. The offers of removed providers are dropped; added
        providers are asked for their offers within `MISSING_RETRY_S` seconds."""
        former, self._allowed = self._allowed, tuple(providers)
        if former == self._allowed:
            return
        added, removed = set(self._allowed) - set(former), set(former) - set(self._allowed)
        for provider in removed:
            del self._providers[provider]
            self._reported.pop(provider, None)
            metrics.OPERATIONS.remove(provider)
            metrics.OFFER_REFUSALS.remove(provider)
        for provider in added:
            self._providers[provider] = ProviderOffer(provider, self._territories, time.monotonic)
            _create_metrics(provider)
        self.silent = (self.silent - removed) | added
        self._update_catalogue()
        if former:
            log.info("allowed providers changed", extra={"added": sorted(added), "removed": sorted(removed)})

    def allows(self, provider: str) -> bool:
        return provider in self._allowed

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the allowed providers that have not yet sent a valid offer (description of operations)."""
        return tuple(name for name in self._allowed if self._providers[name].served is None)

    def may_be_offered(self, path: str) -> bool:
        """Returns whether an operation at this path may be in an offer that an allowed provider has not sent yet."""
        any_path = ("/",)
        return OFFERED.fullmatch(path) is not None and any(
            path.startswith(self._territories.get(name, any_path)) for name in self.missing
        )

    async def first_round(self) -> None:
        """Waits until every allowed provider has been asked once for its offer (description of operations)."""
        await self._first_round_done.wait()

    async def run(self) -> None:
        """Requests the offers of all allowed providers at regular intervals, until cancelled."""
        # It asks every second from providers without an offer, and from those that must learn that a part of theirs is
        # refused; every half minute from all.
        refresh_in_s = 0.0
        while True:
            asks_all = refresh_in_s <= 0
            names = self._allowed if asks_all else {*self.missing, *filter(self._reported.get, self._allowed)}
            await asyncio.gather(*map(self._ask, names))
            refresh_in_s = REFRESH_S if asks_all else refresh_in_s - MISSING_RETRY_S
            self._first_round_done.set()
            await asyncio.sleep(MISSING_RETRY_S)

    async def _ask(self, provider: str) -> None:
        digest, refusals = self._verdict(provider)
        describe = Describe(
            id=str(uuid.uuid4()),
            deadline=Deadline.after(ASK_TIMEOUT_S).at,
            offer=digest,
            refused=tuple(map(str, refusals))[:MAX_REPORTED_REFUSALS],
        )
        reply = await self._bus.call(provider, describe)
        if not self.allows(provider):  # it was removed meanwhile
            return
        if not isinstance(reply, Found):
            self.silent.add(provider)
            return
        self.silent.discard(provider)
        if offer := self._providers[provider].receive(reply.data):
            metrics.OPERATIONS.labels(provider).set(len(offer.operations))
            log.info("offer received", extra={"provider": provider, "operations": len(offer.operations)})
            self._update_catalogue()
        self._report_refusals(provider)

    def _verdict(self, provider: str) -> tuple[str, tuple[OfferRefusal, ...]]:
        return self._providers[provider].verdict(self.catalogue.refusals.get(provider, ()))

    def _update_catalogue(self) -> None:
        offers = (self._providers[name].served for name in self._allowed)
        self.catalogue = Catalogue(offer for offer in offers if offer)
        _export_operations(self.catalogue)
        for provider in self._allowed:
            self._report_refusals(provider)

    def _report_refusals(self, provider: str) -> None:
        """Logs and counts the newly refused parts of a provider's offer (description of operations)."""
        _, refusals = self._verdict(provider)
        metrics.OFFER_REFUSALS.labels(provider).set(len(refusals))
        for refusal in refusals:
            if refusal not in self._reported.get(provider, ()):
                report(provider, refusal)
        self._reported[provider] = refusals


def report(provider: str, refusal: OfferRefusal) -> None:
    """Logs and counts a part of a provider's offer that the gateway refuses."""
    reason = refusal.reason
    log.error(reason, extra={"provider": provider, "operation": refusal.operation, "field": refusal.field})
    metrics.OFFERS_REFUSED.labels(provider, reason).inc()


def _export_operations(catalogue: Catalogue) -> None:
    """Sets the metric that says which operations the gateway serves, and by which providers."""
    metrics.OPERATION_INFO.clear()
    for served in (served for modalities in catalogue.by_path.values() for served in modalities):
        providers = ", ".join(sorted(served.authorities))
        metrics.OPERATION_INFO.labels(served.operation.id, providers).set(1)


def _create_metrics(provider: str) -> None:
    """Creates the metrics of a provider at 0, so that the first event of a counter is seen as an increase."""
    metrics.OPERATIONS.labels(provider).set(0)
    metrics.OFFER_REFUSALS.labels(provider).set(0)
    metrics.OFFERS_REFUSED.labels(provider, "offer unreadable")
    for result in ("refused", "trimmed"):
        metrics.REPLIES_RESHAPED.labels(provider, result)
    for excess in filter(None, get_args(Excess)):
        metrics.REPLIES_REFUSED.labels(provider, excess)
