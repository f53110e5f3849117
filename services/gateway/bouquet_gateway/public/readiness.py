"""Whether a gateway can answer lookups."""

from __future__ import annotations

from collections.abc import Mapping

from bouquet_gateway.access.tokens import TokenSource
from bouquet_gateway.journal.record import Journal
from bouquet_gateway.offers.discovery import Discovery
from bouquet_mesh import descriptors
from bouquet_mesh.bus.api import Calling


class Readiness:
    """Ready when calls can be carried and recorded, tokens told apart, at least one provider has sent its offer, and
    descriptors are left."""

    def __init__(self, bus: Calling, offers: Discovery, tokens: TokenSource, journal: Journal) -> None:
        self._bus = bus
        self._offers = offers
        self._tokens = tokens
        self._journal = journal

    def lacking(self) -> list[str]:
        """Names what the gateway waits for; empty when it is ready."""
        missing = {
            "bus": not self._bus.ready,
            "offers": not self._offers.catalogue.offers,
            "registry": not self._tokens.ready,
            "journal": self._journal.is_full,
            "descriptors": descriptors.are_short(),
        }
        return [name for name, lacks in missing.items() if lacks]

    def waiting(self) -> Mapping[str, object]:
        """The body of `/readyz` while the gateway waits for something; empty when it is ready."""
        lacking = self.lacking()
        return {"status": "waiting", "for": lacking} if lacking else {}
