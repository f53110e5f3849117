"""Hop 3: who asks. An administration by its token, or a citizen by the session that an administration forwards."""

from __future__ import annotations

import time

import msgspec
from aiohttp import web
from msgspec import Struct

from bouquet_gateway.access.addresses import Networks, client_of
from bouquet_gateway.access.holders import Holder, accept, admit, budget_of
from bouquet_gateway.access.tokens import Carrier, Token, hash_of
from bouquet_gateway.call import JOURNEY, Journey
from bouquet_gateway.errors.nomenclature import OF_SESSIONS
from bouquet_gateway.errors.problems import Problem, is_outage
from bouquet_gateway.offers.catalogue import Match
from bouquet_gateway.paths import V2
from bouquet_gateway.state import Gateway
from bouquet_proto import france_connect_session
from bouquet_proto.deadline import Deadline
from bouquet_proto.identity import Identifiant, Identite
from bouquet_proto.messages import Found, Lookup

CITIZEN_ID = "11111111-1111-1111-1111-111111111111"
"""The one token id of every FranceConnect caller (http-contract §2.4)."""

_session = msgspec.json.Decoder(france_connect_session.Session)


class Asker(Struct, frozen=True):
    token: Token
    citizen: Identite | None = None
    """Whom the question is about, when the caller is the citizen."""


async def let_in(gateway: Gateway, request: web.Request, carrier: Carrier, deadline: Deadline) -> Holder:
    """Whose the token is, counted. Raises `Problem` for whom may not come in, or not so often."""
    holder = await admitted(gateway, request, carrier, deadline)
    if not is_exempt(gateway, carrier):
        await throttle(gateway, request[JOURNEY], budget_of(carrier, holder), holder)
    return holder


async def throttle(gateway: Gateway, journey: Journey, budget: str, holder: Holder) -> None:
    """Counted before authentication: bad calls count too. A call without a token is not counted. Version 2 has a budget
    of its own (§4)."""
    per_minute = 0 if isinstance(holder, Problem) else holder.calls_per_minute
    journey.pace = await gateway.pace.hit(budget, per_minute, group=journey.envelope)
    if not journey.pace.allowed:
        raise Problem("too_many_requests")


async def admitted(gateway: Gateway, request: web.Request, carrier: Carrier, deadline: Deadline) -> Holder:
    """Whose the token is, unless it may not even come in: raises `Problem` for blacklists and addresses alone."""
    journey = request[JOURNEY]
    holder = await gateway.holders.holder_of(carrier, journey.request_id, deadline)
    journey.token = None if isinstance(holder, Problem) else holder
    if is_exempt(gateway, carrier):
        return holder
    admit(holder, lambda: _address_of(request, gateway.trusted_proxies), time.time())
    return holder


def _address_of(request: web.Request, trusted: Networks) -> str:
    return client_of(request.remote or "", request.headers.getall("X-Forwarded-For", []), trusted)


def is_exempt(gateway: Gateway, carrier: Carrier) -> bool:
    """From the first checks of §2.7: the operator's own list. The token must still be good."""
    return bool(gateway.exempt) and hash_of(carrier.text) in gateway.exempt


async def token_of(
    gateway: Gateway, request: web.Request, carrier: Carrier, holder: Holder, deadline: Deadline
) -> Token:
    """Raises `Problem`. Where the first carrier holds no token of ours, one in the query will do (§2.2)."""
    if isinstance(holder, Problem) and carrier.place != "query" and (text := request.query.get("token", "")):
        holder = await let_in(gateway, request, Carrier("query", text), deadline)
    return accept(holder, time.time())


async def identify(
    gateway: Gateway, request: web.Request, match: Match, carrier: Carrier, holder: Holder, deadline: Deadline
) -> Asker:
    """Raises `Problem`. On a FranceConnect path any bearer is a citizen's access token, even a JWT (D10), and nothing
    else opens it (D9)."""
    if not match.by_session:
        return Asker(await token_of(gateway, request, carrier, holder, deadline))
    if carrier.place != "bearer" or france_connect_session.PROVIDER not in gateway.settings.providers:
        raise Problem("token_invalid")
    if not carrier.text.isascii():  # no token of FranceConnect's, and perhaps nothing that a message can carry
        raise Problem("session_malformed")
    return _asker(await _session_of(gateway, match, carrier, request[JOURNEY], deadline), match)


async def _session_of(
    gateway: Gateway, match: Match, carrier: Carrier, journey: Journey, deadline: Deadline
) -> france_connect_session.Session:
    question = Lookup(
        id=journey.request_id,
        deadline=deadline.at,
        operation=france_connect_session.OPERATION,
        identity=Identifiant(identifiant=carrier.text),
        parameters={france_connect_session.RESOURCE: match.resource},
    )
    with journey.waiting():
        reply = await gateway.bus.call(france_connect_session.PROVIDER, question)
    gateway.hear(france_connect_session.STATUS, outage=is_outage(reply))
    match reply:
        case Found(data=data):
            try:
                return _session.decode(data)
            except msgspec.DecodeError:
                raise Problem("malformed_reply", authority=france_connect_session.AUTHORITY) from None
        case _:
            raise Problem.of(reply, france_connect_session.AUTHORITY, OF_SESSIONS)


def _asker(opened: france_connect_session.Session, match: Match) -> Asker:
    """From v3 on identity is FranceConnect's own to give: scopes that would open ours are dropped (§2.4)."""
    scopes = frozenset(scope for scope in opened.scopes if "_identite" not in scope or match.version == V2)
    return Asker(Token(id=CITIZEN_ID, scopes=scopes, siret="", expires_at=0.0), opened.identity)
