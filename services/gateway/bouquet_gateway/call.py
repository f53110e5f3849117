"""What the hops of one request learn on the way and the last ones tell: headers, labels, envelope."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aiohttp import web
from msgspec import Struct, field

from bouquet_gateway.access.rate_limit import Allowance
from bouquet_gateway.access.tokens import Token
from bouquet_gateway.errors.problems import NO_ROWS, Problem, Rows, row_of
from bouquet_gateway.offers.catalogue import Served
from bouquet_gateway.paths import Envelope
from bouquet_proto.identity import Identity

REQUEST_ID = re.compile(r"[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}", re.IGNORECASE | re.ASCII)


class Journey(Struct):
    request_id: str
    envelope: Envelope
    path: str = ""
    """Tidy."""
    pace: Allowance | None = None
    served: Served | None = None
    built_in: str = ""
    """The operation, where it is the gateway's own."""
    cached_for_s: int | None = None
    """On a cache hit, seconds left."""
    reached_data: bool = False
    """Past the checks that concern the caller alone (§2.7, rows 1 to 9)."""
    is_recorded: bool = False
    """In the access journal, of which what follows is a part."""
    began: float = field(default_factory=time.perf_counter)
    token: Token | None = None
    """The caller's, whether or not it was good enough."""
    recipient: str = ""
    """A SIRET."""
    person: Identity | None = None
    waited_s: float = 0.0
    """For providers."""
    provider: str = ""
    """Who answered, and below by which regime."""
    regime: str = ""
    problem: Problem | None = None
    """Why there is no data."""

    @property
    def operation(self) -> str:
        return self.served.operation.id if self.served else self.built_in

    @property
    def fault(self) -> str:
        """Whose it is that there is no data: nobody's, empty, when the provider asked has none."""
        if self.problem is None or self.problem.outcome == "not_found":
            return ""
        return row_of(self.problem.reasons[0], self.problems).fault

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """For a provider's answer."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.waited_s += time.perf_counter() - began

    @property
    def problems(self) -> Rows:
        """The failures that the operation's provider adds to the common ones."""
        return self.served.problems if self.served else NO_ROWS


JOURNEY = web.RequestKey("journey", Journey)


def request_id_of(headers: Mapping[str, str]) -> str:
    """The client's when it is a UUID, as the hub requires; else one of ours (D12)."""
    given = headers.get("X-Request-Id", "")
    return given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
