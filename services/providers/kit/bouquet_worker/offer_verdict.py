"""Verdict of gateways on a worker's offer (the description of its operations): the parts that gateways refuse. Each
gateway sends its verdict when it asks the worker for the offer again."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bouquet_proto.messages import Describe
from bouquet_proto.offer import digest_of

log = logging.getLogger(__name__)


class OfferVerdict:
    """Verdict of a gateway on a worker's offer (the description of its operations): the parts that the gateway refuses.
    Only the latest verdict is kept.

    Args:
        provider: Name of the worker's provider, for the log.
        offer: The encoded offer that the worker sends.
    """

    def __init__(self, provider: str, offer: bytes) -> None:
        self._provider = provider
        self._digest = digest_of(offer)
        self.refused: tuple[str, ...] = ()
        """Refused parts of the offer according to the latest verdict, each with the reason, such as `path already
        served: acme_dossier`; empty if no part is refused."""

    def note(self, describe: Describe) -> None:
        """Stores the verdict that `describe`, a gateway's request for the offer, contains, and logs the verdict if it
        has changed. Ignores a verdict on another offer, such as the offer of a former version of the worker."""
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
