"""Choice between different offers (descriptions of operations) from the workers of one provider. A later offer replaces
the served offer, unless fields are removed or changed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from msgspec import Raw, Struct

from bouquet_gateway.offers.checks import OfferRefusal, Territories, read_offer
from bouquet_gateway.offers.compatibility import lost_fields
from bouquet_proto.offer import Offer, digest_of

FIELDS_KEPT_S = 90.0
"""Seconds for which the gateway refuses an offer (description of operations) that removes or changes fields. The time
begins when a worker last sent the served offer."""
# A worker that is rolled out beside the former one thus cannot take a field from callers. Once no former worker
# answers, its offer counts: the provider has decided so.
MAX_REMEMBERED_OFFERS = 20
"""Largest number of offers (descriptions of operations) per provider that the gateway remembers as served."""
# A remembered offer is not reported as refused when an old worker sends it again.


class _Received(Struct):
    digest: str
    offer: Offer | None
    refusals: tuple[OfferRefusal, ...]
    heard_at: float
    """Time at which a worker last sent the offer, in seconds of the clock of `ProviderOffer`."""


class ProviderOffer:
    """Offer (description of operations) that the gateway serves for one provider, and the refused parts of the
    provider's offers. `territories` holds the path prefixes that each provider may use; `clock` is a monotonic clock,
    in seconds."""

    def __init__(self, provider: str, territories: Territories, clock: Callable[[], float]) -> None:
        self._provider = provider
        self._territories = territories
        self._clock = clock
        self._served: _Received | None = None
        self._refused: _Received | None = None
        self._former: deque[str] = deque(maxlen=MAX_REMEMBERED_OFFERS)

    @property
    def served(self) -> Offer | None:
        return self._served.offer if self._served else None

    def receive(self, data: Raw) -> Offer | None:
        """Takes an offer (JSON) that a worker has sent. Returns the decoded offer if the gateway serves it from now on,
        or `None` if the served offer stays the same."""
        digest, now, served = digest_of(bytes(data)), self._clock(), self._served
        if served and served.digest == digest:
            served.heard_at = now
            return None
        read = read_offer(self._provider, data, self._territories)
        if read.offer is None:
            self._refused = _Received(digest, None, read.refusals, now)
            return None
        losses = tuple(lost_fields(served.offer, read.offer)) if served and served.offer else ()
        if losses and served and now - served.heard_at < FIELDS_KEPT_S:
            if digest not in self._former:  # the former worker of a roll-out is not at fault
                self._refused = _Received(digest, None, losses, now)
            return None
        self._serve(_Received(digest, read.offer, read.refusals, now))
        return None if served and served.offer == read.offer else read.offer

    def _serve(self, received: _Received) -> None:
        self._served = received
        self._former.append(received.digest)
        if self._refused and self._refused.digest == received.digest:
            self._refused = None

    def verdict(self, conflicts: tuple[OfferRefusal, ...]) -> tuple[str, tuple[OfferRefusal, ...]]:
        """Returns the digest of the served offer, with its refused parts, to tell the provider's workers. For
        `FIELDS_KEPT_S` seconds, an offer refused as a whole replaces the served offer.

        Returns `("", ())` if no worker has sent an offer. `conflicts` are the parts of the served offer that the
        catalogue refuses, such as a path that another provider already has.
        """
        refused, served = self._refused, self._served
        if refused and self._clock() - refused.heard_at < FIELDS_KEPT_S:
            return refused.digest, refused.refusals
        return (served.digest, (*served.refusals, *conflicts)) if served else ("", ())
