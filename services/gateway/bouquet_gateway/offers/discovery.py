"""Asks the allowed providers for their offers, and keeps what they answered: a new worker needs no restart here."""

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
REFRESH_S = 30.0


class Discovery:
    """An offer once heard is kept when its worker goes away: its paths then answer that the provider is unavailable."""

    def __init__(
        self,
        bus: Calling,
        allowed: Iterable[str],
        territories: Territories | None = None,
    ) -> None:
        self._bus = bus
        self._allowed = tuple(allowed)
        self._territories = territories or {}
        self._offers: dict[str, Offer] = {}
        self._asked = asyncio.Event()
        self.catalogue = Catalogue()
        """What is served now. A change of offers puts another in its place."""
        self.silent = set(self._allowed)
        """Those that did not answer when they were last asked."""
        self._refused: dict[str, Raw] = {}
        """What was no offer, so that it is read and told once, however often it is heard."""
        for provider in self._allowed:
            metrics.OPERATIONS.labels(provider).set(0)
            metrics.OFFERS_REFUSED.labels(provider, "offer unreadable")  # from 0 on, so that a rate sees the first one
            for result in ("refused", "trimmed"):
                metrics.REPLIES_RESHAPED.labels(provider, result)
            for excess in filter(None, get_args(Excess)):
                metrics.REPLIES_REFUSED.labels(provider, excess)

    @property
    def missing(self) -> tuple[str, ...]:
        """The allowed providers whose offer has not been heard yet."""
        return tuple(name for name in self._allowed if name not in self._offers)

    def may_come(self, path: str) -> bool:
        """Whether a path that nobody serves may be that of a worker which has not been heard yet."""
        anywhere = ("/",)
        return OFFERED.fullmatch(path) is not None and any(
            path.startswith(self._territories.get(name, anywhere)) for name in self.missing
        )

    async def asked_once(self) -> None:
        await self._asked.wait()

    async def run(self) -> None:
        """Never ends by itself. Missing providers are asked every second, known ones every half minute."""
        refresh_in_s = 0.0
        while True:
            everyone = refresh_in_s <= 0
            await asyncio.gather(*(self._ask(name) for name in (self._allowed if everyone else self.missing)))
            refresh_in_s = REFRESH_S if everyone else refresh_in_s - MISSING_RETRY_S
            self._asked.set()
            await asyncio.sleep(MISSING_RETRY_S)

    async def _ask(self, provider: str) -> None:
        describe = Describe(id=str(uuid.uuid4()), deadline=Deadline.after(ASK_TIMEOUT_S).at)
        match await self._bus.call(provider, describe):
            case Found(data=data):
                self.silent.discard(provider)
            case _:
                self.silent.add(provider)
                return
        if data == self._refused.get(provider):
            return
        offer = read_offer(provider, data, self._territories)
        if offer is None:
            self._refused[provider] = data
            return
        if offer == self._offers.get(provider):
            return
        self._offers[provider] = offer
        metrics.OPERATIONS.labels(provider).set(len(offer.operations))
        log.info("offer heard", extra={"provider": provider, "operations": len(offer.operations)})
        self.catalogue = Catalogue(self._offers[name] for name in self._allowed if name in self._offers)
