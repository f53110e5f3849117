"""Verdict of a gateway on a worker's offer, the description of the worker's operations."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bouquet_proto.messages import Describe
from bouquet_proto.offer import digest_of

log = logging.getLogger(__name__)


class OfferVerdict:
    """Latest verdict of a gateway on a worker's offer, the description of the worker's operations.

    Args:
        provider: Name of the worker's provider, for the log.
        offer: The encoded offer that the worker sends.
    """

    def __init__(self, provider: str, offer: bytes) -> None:
        self._provider = provider
        self._digest = digest_of(offer)
        self.refused: tuple[str, ...] = ()
        """Reasons why the gateway refuses operations, such as `path already served: acme_dossier`. Empty if it refuses
        nothing."""

    def note(self, describe: Describe) -> None:
        """Stores and logs what a gateway refuses according to its request `describe`. Ignores a request about another
        version of the worker's offer."""
        if describe.offer != self._digest or describe.refused == self.refused:
            return
        self.refused = describe.refused
        if self.refused:
            log.error("gateway refuses offer", extra={"provider": self._provider, "refused": self.refused})
        else:
            log.info("gateway accepts offer", extra={"provider": self._provider})

    def unmet_condition(self) -> Mapping[str, object]:
        """Returns the body of `/readyz` while the latest verdict refuses a part of the offer, else an empty mapping."""
        return {"status": "offer refused", "for": self.refused} if self.refused else {}
