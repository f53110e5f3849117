"""Citizens' FranceConnect sessions, which a worker opens for the gateway (http-contract §2.4)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bouquet_gateway.access.tokens import Token
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
from bouquet_proto.messages import Found, Lookup

CITIZEN_ID = "11111111-1111-1111-1111-111111111111"
"""The one token id of every FranceConnect caller."""

_session = msgspec.json.Decoder(Session)


class Sessions:
    def __init__(self, bus: Calling, report: Callable[[str, bool], None]) -> None:
        """`report` is told how each question has ended: the status name of the sessions, and whether by an outage."""
        self._bus = bus
        self._report = report

    async def open(self, access_token: str, match: Match, call: Call, deadline: Deadline) -> Session:
        """Raises `Problem` for a session that does not exist, or that nobody can open."""
        if not access_token.isascii():  # no token of FranceConnect's, and perhaps nothing that a message can carry
            raise Problem("session_malformed")
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
        if not isinstance(reply, Found):
            raise Problem.of(reply, france_connect_session.AUTHORITY, OF_SESSIONS)
        try:
            return _session.decode(reply.data)
        except msgspec.DecodeError:
            raise Problem("malformed_reply", authority=france_connect_session.AUTHORITY) from None


def token_of(session: Session, version: int) -> Token:
    """What a citizen may see. From v3 on identity is FranceConnect's own to give: scopes that would open ours are
    dropped."""
    scopes = frozenset(scope for scope in session.scopes if "_identite" not in scope or version == V2)
    return Token(id=CITIZEN_ID, scopes=scopes, siret="", expires_at=0.0)
