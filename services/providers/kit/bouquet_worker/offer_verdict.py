"""Verdict of gateways on a worker's offer, which they send each time they ask for the offer."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bouquet_proto.messages import Describe
from bouquet_proto.offer import digest_of

log = logging.getLogger(__name__)


class OfferVerdict:
    """Verdict of gateways on the offer of a running worker. The last word counts, whichever gateway has sent it.

    Args:
        provider: Name of the worker's provider, for the log.
        offer: The encoded offer that the worker sends.
    """

    def __init__(self, provider: str, offer: bytes) -> None:
        self._provider = provider
        self._digest = digest_of(offer)
        self.refused: tuple[str, ...] = ()
        """Parts of the offer that a gateway does not serve, such as `path already served: acme_dossier`."""

    def note(self, describe: Describe) -> None:
        """Takes the verdict in a request for the offer. One about another offer, such as that of a former version of
        the worker, is ignored."""
        if describe.offer != self._digest or describe.refused == self.refused:
            return
        self.refused = describe.refused
        if self.refused:
            log.error("gateway refuses offer", extra={"provider": self._provider, "refused": self.refused})
        else:
            log.info("gateway accepts offer", extra={"provider": self._provider})

    def unmet_condition(self) -> Mapping[str, object]:
        """Returns the body of `/readyz` while a gateway refuses a part of the offer, else an empty mapping."""
        return {"status": "offer refused", "for": self.refused} if self.refused else {}
