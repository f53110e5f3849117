"""What the hops of one request learn on the way and the last ones tell: headers, labels, envelope."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from aiohttp import web
from msgspec import Struct

from bouquet_gateway.catalogue import Envelope, Served
from bouquet_gateway.pace import Verdict

REQUEST_ID = re.compile(r"[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}", re.IGNORECASE | re.ASCII)


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


def request_id_of(headers: Mapping[str, str]) -> str:
    """The client's when it is a UUID, as the hub requires; else one of ours (D12)."""
    given = headers.get("X-Request-Id", "")
    return given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
