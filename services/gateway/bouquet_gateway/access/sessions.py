"""Citizens' FranceConnect sessions, which a worker opens for the gateway (docs/reference/contract.md §2.4)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bouquet_gateway import metrics
from bouquet_gateway.access.credentials import hash_of
from bouquet_gateway.access.tokens import Token
from bouquet_gateway.access.unknown_bearers import Remembered, Turns
from bouquet_gateway.call import Call
from bouquet_gateway.errors.nomenclature import OF_SESSIONS
from bouquet_gateway.errors.problems import Problem, is_outage
from bouquet_gateway.offers.catalogue import Match
from bouquet_gateway.offers.replies import believed
from bouquet_gateway.paths import V2
from bouquet_mesh.bus.api import Calling
from bouquet_proto import france_connect_session
from bouquet_proto.deadline import Deadline
from bouquet_proto.france_connect_session import Session
from bouquet_proto.identity import Identifiant
from bouquet_proto.messages import Found, Lookup, NotFound, Rejected, Reply

CITIZEN_ID = "11111111-1111-1111-1111-111111111111"
"""The one token id of every FranceConnect caller."""

KNOWN_S = 600.0
REFUSED_S = 10.0
MAX_REMEMBERED = 50_000
"""Of each, at some 0.3 kB."""
PATIENCE_S = 2.0
"""How long an unknown session waits for its turn."""
RETRY_IN_S = 2

_session = msgspec.json.Decoder(Session)


class Sessions:
    """A session that was just refused is not asked about again, and so many unknown ones a second are."""

    def __init__(
        self,
        bus: Calling,
        report: Callable[[str, bool | None], None],
        *,
        unknown_per_second: int,
        refused_s: float = REFUSED_S,
    ) -> None:
        """`report` is told how each question has ended: the status name of the sessions, and whether by an outage,
        `None` for one that was not put. `refused_s` is how long a refusal is remembered."""
        self._bus = bus
        self._report = report
        self._turns = Turns(unknown_per_second)
        self._known: Remembered[bool] = Remembered(MAX_REMEMBERED, KNOWN_S)
        self._refused: Remembered[Reply] = Remembered(MAX_REMEMBERED, refused_s)

    def knows(self, access_token: str, match: Match) -> bool:
        """Whether it has been a session within the last minutes."""
        return self._known.get(_key(access_token, match)) is not None

    async def open(self, access_token: str, match: Match, call: Call, deadline: Deadline) -> Session:
        """Raises `Problem` for a session that does not exist, or that nobody can open."""
        if not access_token.isascii():  # no token of FranceConnect's, and perhaps nothing that a message can carry
            raise Problem("session_malformed", authority=france_connect_session.AUTHORITY)
        key = _key(access_token, match)
        if refused := self._refused.get(key):
            raise Problem.of(refused, france_connect_session.AUTHORITY, OF_SESSIONS)
        if self._known.get(key) is None and not await self._turns.turn(min(PATIENCE_S, deadline.left_s())):
            metrics.UNKNOWN_BEARERS.labels("too_many").inc()
            raise Problem("too_many_requests", meta={"retry_in": RETRY_IN_S})
        question = Lookup(
            id=call.request_id,
            deadline=deadline.at,
            operation=france_connect_session.OPERATION,
            identity=Identifiant(identifiant=access_token),
            parameters={france_connect_session.RESOURCE: match.resource},
        )
        with call.waiting():
            told = await self._bus.call(france_connect_session.PROVIDER, question)
        reply = believed(told, france_connect_session.PROVIDER, question.operation)
        self._report(france_connect_session.STATUS, is_outage(reply))
        if isinstance(reply, NotFound | Rejected):
            self._refused.put(key, reply)
        if not isinstance(reply, Found):
            raise Problem.of(reply, france_connect_session.AUTHORITY, OF_SESSIONS)
        try:
            session = _session.decode(reply.data)
        except msgspec.DecodeError:
            raise Problem("malformed_reply", authority=france_connect_session.AUTHORITY) from None
        self._known.put(key, True)
        return session


def _key(access_token: str, match: Match) -> bytes:
    """A session is one of a resource: FranceConnect knows us by a client for each."""
    return hash_of(f"{match.resource} {access_token}")


def token_of(session: Session, version: int) -> Token:
    """What a citizen may see. From v3 on identity is FranceConnect's own to give: scopes that would open ours are
    dropped."""
    scopes = frozenset(scope for scope in session.scopes if "_identite" not in scope or version == V2)
    return Token(id=CITIZEN_ID, scopes=scopes, siret="", expires_at=0.0)
