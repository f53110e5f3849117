"""What the hops of one request learn on the way and the last ones tell: headers, labels, envelope."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from bouquet_gateway.catalogue import Envelope, Served
from bouquet_gateway.pace import Verdict


class Journey(Struct):
    request_id: str
    envelope: Envelope
    pace: Verdict | None = None
    served: Served | None = None
    cached_for_s: int | None = None
    """On a cache hit, seconds left."""
    reached_data: bool = False
    """Past the checks that concern the caller alone (§2.7, rows 1 to 9)."""

    @property
    def operation(self) -> str:
        return self.served.operation.id if self.served else "none"


JOURNEY = web.RequestKey("journey", Journey)
