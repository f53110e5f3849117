"""FranceConnect sessions of citizens, which the gateway gets from FranceConnect's worker (docs/reference/contract.md
§2.4)."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from bouquet_gateway import metrics
from bouquet_gateway.access.credentials import hash_of
from bouquet_gateway.access.tokens import Token
from bouquet_gateway.access.unknown_bearers import ExpiringValues, Pacer
from bouquet_gateway.call import Call
from bouquet_gateway.errors.nomenclature import SESSION_REASONS
from bouquet_gateway.errors.problems import Problem, is_outage
from bouquet_gateway.offers.catalogue import Match
from bouquet_gateway.offers.replies import limited
from bouquet_gateway.paths import V2
from bouquet_mesh.bus.api import BusClient
from bouquet_proto import france_connect_session
from bouquet_proto.deadline import Deadline
from bouquet_proto.france_connect_session import Session
from bouquet_proto.identity import Identifiant
from bouquet_proto.messages import Found, Lookup, NotFound, Rejected, Reply

CITIZEN_ID = "11111111-1111-1111-1111-111111111111"
"""Token id of all calls with a FranceConnect session, since a citizen has no token of Bouquet."""

SESSION_REMEMBERED_S = 600.0
"""Seconds for which the gateway remembers that it has opened a FranceConnect session. Meanwhile, calls with this
session are exempt from the limits on new sessions and on unknown bearer tokens."""
REFUSAL_REMEMBERED_S = 10.0
"""Seconds for which the gateway remembers that FranceConnect's worker has refused an access token. Meanwhile, it
refuses the token without asking the worker."""
MAX_REMEMBERED = 50_000
"""Largest number of opened FranceConnect sessions that one process remembers, at about 0.3 kB each. The same limit
applies to refused sessions."""
MAX_WAIT_S = 2.0
"""Longest time, in seconds, that a call waits before the gateway opens its FranceConnect session. If the wait would be
longer, the call is refused at once."""
# The gateway opens a limited number of new sessions per second.
RETRY_IN_S = 2
"""Seconds after which the caller may try again if too many new FranceConnect sessions were being opened."""

_session = msgspec.json.Decoder(Session)


class Sessions:
    """Source of FranceConnect sessions. Asks FranceConnect's worker, remembers refusals, and limits the rate of new
    sessions."""

    def __init__(
        self,
        bus: BusClient,
        report: Callable[[str, bool | None], None],
        *,
        is_deployed: Callable[[], bool] = lambda: True,
        unknown_per_second: int,
        refused_s: float = REFUSAL_REMEMBERED_S,
    ) -> None:
        """Takes `report(name, is_outage)`, which notes the health of FranceConnect after each request to its worker.
        `is_outage` says whether FranceConnect is out of service; `None` means unknown. `name` is FranceConnect's name
        in `/api/{status}/ping`.

        `is_deployed` returns whether the gateway may ask that worker. At most `unknown_per_second` new sessions are
        opened per second. A refusal is remembered for `refused_s` seconds.
        """
        self._bus = bus
        self._report = report
        self._is_deployed = is_deployed
        self._pacer = Pacer(unknown_per_second)
        self._known: ExpiringValues[bool] = ExpiringValues(MAX_REMEMBERED, SESSION_REMEMBERED_S)
        self._refused: ExpiringValues[Reply] = ExpiringValues(MAX_REMEMBERED, refused_s)

    def is_recent(self, access_token: str, match: Match) -> bool:
        """Returns whether the access token has opened a session for the same resource, such as `statut_etudiant`, in
        the last ten minutes."""
        # The token is then exempt from the limits on new sessions and unknown tokens.
        return self._known.get(_key(access_token, match)) is not None

    async def open(self, access_token: str, match: Match, call: Call, deadline: Deadline) -> Session:
        """Asks FranceConnect's worker for the session of an access token, and returns it. Raises `Problem` if the
        session cannot be opened."""
        if not self._is_deployed():
            raise Problem("not_deployed", authority=france_connect_session.AUTHORITY)
        if not access_token.isascii():  # not issued by FranceConnect, and perhaps not encodable in a message
            raise Problem("session_malformed", authority=france_connect_session.AUTHORITY)
        key = _key(access_token, match)
        if refused := self._refused.get(key):
            raise Problem.of(refused, france_connect_session.AUTHORITY, SESSION_REASONS)
        if self._known.get(key) is None and not await self._pacer.acquire(min(MAX_WAIT_S, deadline.left_s())):
            metrics.UNKNOWN_BEARERS.labels("too_many").inc()
            raise Problem("too_many_requests", meta={"retry_in": RETRY_IN_S})
        question = Lookup(
            id=call.request_id,
            deadline=deadline.at,
            operation=france_connect_session.OPERATION,
            identity=Identifiant(identifiant=access_token),
            parameters={france_connect_session.RESOURCE: match.resource},
        )
        asked_at = time.perf_counter()
        received = await self._bus.call(france_connect_session.PROVIDER, question)
        call.waited_s += time.perf_counter() - asked_at
        reply = limited(received, france_connect_session.PROVIDER, question.operation)
        self._report(france_connect_session.PING_NAME, is_outage(reply))
        if isinstance(reply, NotFound | Rejected):
            self._refused.put(key, reply)
        if not isinstance(reply, Found):
            raise Problem.of(reply, france_connect_session.AUTHORITY, SESSION_REASONS)
        try:
            session = _session.decode(reply.data)
        except msgspec.DecodeError:
            raise Problem("malformed_reply", authority=france_connect_session.AUTHORITY) from None
        self._known.put(key, True)
        return session


def _key(access_token: str, match: Match) -> bytes:
    """Returns the key under which an opened or refused session is remembered: a hash of the access token and the name
    of the resource."""
    # The resource is part of the key, since FranceConnect issues an access token to one client, and each resource has a
    # client of its own.
    return hash_of(f"{match.resource} {access_token}")


def token_of(session: Session, version: int) -> Token:
    """Returns a token with the scopes of a FranceConnect session, for an operation of the API version `version`. From
    version 3 on, scopes for the citizen's identity data are left out."""
    scopes = frozenset(scope for scope in session.scopes if "_identite" not in scope or version == V2)
    return Token(id=CITIZEN_ID, scopes=scopes, siret="", expires_at=0.0)
