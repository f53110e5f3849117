"""Readiness of a gateway: whether it can answer lookups now."""

from __future__ import annotations

from collections.abc import Mapping

from bouquet_gateway.access.tokens import TokenSource
from bouquet_gateway.journal.record import Journal
from bouquet_gateway.offers.discovery import Discovery
from bouquet_mesh import descriptors
from bouquet_mesh.bus.api import BusClient


class Readiness:
    """Readiness of a gateway to answer lookups. The gateway needs a bus, operations, the registry, room for journal
    records, and free file descriptors."""

    def __init__(self, bus: BusClient, offers: Discovery, tokens: TokenSource, journal: Journal) -> None:
        self._bus = bus
        self._offers = offers
        self._tokens = tokens
        self._journal = journal

    def unmet_conditions(self) -> list[str]:
        """Returns the names of what the gateway lacks to answer lookups; an empty list if it is ready. The names are
        `bus`, `offers` (descriptions of operations), `registry`, `journal`, and `descriptors` (free file
        descriptors)."""
        # `offers` is lacking if no provider has described its operations.
        missing = {
            "bus": not self._bus.ready,
            "offers": not self._offers.catalogue.offers,
            "registry": not self._tokens.ready,
            "journal": self._journal.is_full,
            "descriptors": descriptors.are_short(),
        }
        return [name for name, lacks in missing.items() if lacks]

    def readyz_body(self) -> Mapping[str, object]:
        """Returns the JSON body of `/readyz` for a gateway that is not ready, with what it lacks (`unmet_conditions`).
        Returns an empty mapping if the gateway is ready."""
        unmet_conditions = self.unmet_conditions()
        return {"status": "waiting", "for": unmet_conditions} if unmet_conditions else {}
