"""Data of one call: the request, the answer, and facts about them. The answer's headers, the log, the metrics and the
access journal are made from these facts."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, TypeVarTuple

from msgspec import Struct, field

from bouquet_gateway.paths import Envelope
from bouquet_mesh.pseudonym import NamedPerson
from bouquet_proto.access_record import Outcome
from bouquet_proto.failures import Failure
from bouquet_proto.identity import Identity
from bouquet_proto.offer import Retirement
from bouquet_proto.rules import SharedResults

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

REQUEST_ID = re.compile(r"[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}", re.IGNORECASE | re.ASCII)


class HttpRequest(Struct, frozen=True, kw_only=True):
    """Parts of an HTTP request that are needed to authenticate the caller and to look up data."""

    method: str
    raw_path: str
    raw_query: str
    """Query string without its question mark."""
    authorization: str
    api_key: str
    peer: str
    """IP address at the other end of the connection: the client or, if there are proxies, the proxy nearest to the
    gateway."""
    forwarded_for: Sequence[str]
    """Values of the header `X-Forwarded-For`. Used only if the request comes from a trusted proxy."""
    # Every client can send this header.
    no_cache: bool
    """Whether the request has the header `Cache-Control: no-cache`, which forbids an answer from the cache."""
    proof: str = ""
    """Value of the header `X-Generate-Proof`, which requests a proof of the answer; empty without the header."""


class Call(Struct):
    """Facts about one call, collected while the gateway handles it."""

    # Made by the `observe` middleware.
    request_id: str
    envelope: Envelope
    path: str = ""
    """Requested path, without repeated or trailing slashes."""
    began: float = field(default_factory=time.perf_counter)

    counted_paths: tuple[str, ...] = ()
    """Paths that count against the rate limit instead of the call's own path. A dossier (several lookups in one
    request) counts the paths of its lookups. Empty if the call's own path counts."""

    # Written by the journal.
    is_recorded: bool = False
    """Whether the journal writes a record of this call once it is answered."""
    # Even such a call leaves no record if its caller turns out to have neither a token of ours nor a citizen's session.
    record_id: str = ""
    """Id of the call's record in the access journal; empty if the gateway has no journal."""

    # Written by `access.authenticate`.
    token_id: str = ""
    """Id of the caller's token, even if the call is refused; empty if the caller has no valid token."""
    habilitation: str = ""
    """Id of the habilitation whose rights the call uses; empty if there is none."""
    rate_limit: Mapping[str, str] = {}
    """Headers that show the caller's rate limit, such as `RateLimit-Remaining`."""

    # Written by the endpoint that answers.
    operation: str = ""
    """Id of the called operation, or name of the gateway's own endpoint; empty if the path belongs to neither."""
    version: str = ""
    """Version of the called operation, such as `v3`; empty without an operation."""
    route: str = ""
    """Path of the called operation, as its worker declares it; empty without an operation."""
    retirement: Retirement | None = None
    """Announced retirement of the called operation: its dates and its successor. `None` if no retirement is
    announced."""
    failures: Mapping[str, Failure] = {}
    """Errors of the called operation's provider, by reason, in addition to the failure table."""
    reached_data: bool = False
    """Whether the call has passed the checks of its caller, such as token and scopes. Its answer then has the header
    `X-Response-Cached`."""
    recipient: str = ""
    """SIRET of the administration that the data is for; empty until the query's `recipient` has been checked."""
    purpose: str = ""
    """Purpose of the call as the caller states it; empty if the caller states none. Shown only in the access
    journal."""
    person: Identity | None = None
    """Identity of the person whom the call asks about; `None` until the identity is known."""
    people_found: Callable[[], tuple[NamedPerson, ...]] = tuple
    """Function that returns the persons whom the answer names. Only the journal calls it, to record them."""
    cache_expires_in_s: int | None = None
    """Seconds for which the answer will still be in the cache; `None` if the answer did not come from the cache."""
    provider: str = ""
    """Name of the provider that was asked; empty if none was. If both CAF and MSA were asked, the provider that found
    the person; empty if neither did."""
    authority: str = ""
    """Label, such as `CNAF`, of the administration that gave the data or failed. Empty if the answer comes from the
    gateway alone."""
    # The data may come from the cache.
    regime: str = ""
    """Name of the provider that found the person, if the operation chooses between CAF and MSA; else empty."""
    waited_s: float = 0.0
    """Seconds spent waiting for providers."""

    # Written by the `render_problems` middleware, where there is no data.
    outcome: Outcome | None = None
    """Outcome of the call, such as `refused`, if it was answered with an error; `None` if it was answered with data."""
    fault: str = ""
    """Party at fault if the answer is an error: `caller`, `platform` or `provider`. Empty if nobody is at fault."""
    code: str = ""
    """Public code of the first error; empty if the answer is not an error."""

    shared: SharedResults | None = None
    """Results that all lookups of one dossier (several lookups in one request) share, such as results of validation
    rules. `None` outside a dossier."""

    def compute_once(self, function: Callable[[*Ts], T], *given: *Ts) -> T:
        """Returns `function(*given)`, computed only once for all calls of a dossier (several lookups in one request).
        `function` must be a pure function."""
        if self.shared is None:
            return function(*given)
        key = (function, *given)
        if key not in self.shared:
            self.shared[key] = function(*given)
        result: T = self.shared[key]
        return result


class Answer(Struct, frozen=True):
    """Answer to a client: HTTP status, JSON body, and the seconds for the header `Retry-After`."""

    body: bytes
    status: int = 200
    retry_after_s: int | None = None


def request_id_of(headers: Mapping[str, str]) -> str:
    """Returns the client's `X-Request-Id` if it is a UUID, else a new UUID."""
    # The CNAV's hub, one of the upstreams, requires request ids that are UUIDs.
    given = headers.get("X-Request-Id", "")
    return given if REQUEST_ID.fullmatch(given) else _new_request_id()


def _new_request_id() -> str:
    """Returns a random UUID of version 4 (RFC 9562 §5.4)."""
    # Half the time of `uuid.uuid4()`. The two digits that are not random are the version and the variant.
    digits = secrets.token_hex(15)
    return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-8{digits[15:18]}-{digits[18:]}"
