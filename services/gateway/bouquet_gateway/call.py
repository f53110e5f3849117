"""One HTTP call: what the server read of it, and the plain facts that its headers, log, metrics and journal tell."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec import Struct, field

from bouquet_gateway.paths import Envelope
from bouquet_proto.access_record import Outcome
from bouquet_proto.failures import Failure
from bouquet_proto.identity import Identite, Identity
from bouquet_proto.offer import Retirement

REQUEST_ID = re.compile(r"[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}", re.IGNORECASE | re.ASCII)


class HttpRequest(Struct, frozen=True, kw_only=True):
    """The parts of a request that are looked at outside of `http`, as they came over the wire."""

    method: str
    raw_path: str
    raw_query: str
    """Without its question mark."""
    authorization: str
    api_key: str
    peer: str
    """Address of the other end of the connection."""
    forwarded_for: Sequence[str]
    """Values of `X-Forwarded-For`, which anybody can write."""
    no_cache: bool
    """The caller wants no answer of the cache."""


class Call(Struct):
    # Made by the `observe` middleware.
    request_id: str
    envelope: Envelope
    path: str = ""
    """Tidy."""
    began: float = field(default_factory=time.perf_counter)

    # Written by the journal.
    is_recorded: bool = False
    """The call leaves a record in the access journal, if its token is one of ours."""

    # Written by `access.authenticate`.
    token_id: str = ""
    """Of the caller's token, whether or not it was good enough."""
    habilitation: str = ""
    """Id of the token's habilitation."""
    rate_limit: Mapping[str, str] = {}
    """Headers that tell the caller's rate limit."""

    # Written by the endpoint that answers.
    operation: str = ""
    """Id of an offered operation, or name of an endpoint of the gateway's own."""
    version: str = ""
    """`v2`, `v3` …, of an offered operation."""
    route: str = ""
    """Path of an offered operation."""
    retirement: Retirement | None = None
    failures: Mapping[str, Failure] = {}
    """Rows that the operation's provider adds to the failure table."""
    reached_data: bool = False
    """Past the checks that concern the caller alone (docs/reference/contract.md §2.7, rows 1 to 9)."""
    recipient: str = ""
    """SIRET of the administration that the data is for."""
    person: Identity | None = None
    """Whom the question is about."""
    people_found: Callable[[], tuple[Identite, ...]] = tuple
    """Whom the answer names: read where it is recorded, and nowhere else."""
    cached_for_s: int | None = None
    """Seconds that a cached answer still has to live; `None` for an answer that is not of the cache."""
    provider: str = ""
    """The provider that answered."""
    regime: str = ""
    """The regime by which it answered, under a regime plan."""
    waited_s: float = 0.0
    """Time spent waiting for providers. Written by `waiting`."""

    # Written by the `problems` middleware, where there is no data.
    outcome: Outcome | None = None
    fault: str = ""
    """Whose fault it is; nobody's when the provider has no data."""
    code: str = ""
    """Public code of the error, the first of several."""

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Measures a wait for a provider's answer."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.waited_s += time.perf_counter() - began


def request_id_of(headers: Mapping[str, str]) -> str:
    """Returns the client's request id when it is a UUID, as the hub requires; else a new one."""
    given = headers.get("X-Request-Id", "")
    return given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
