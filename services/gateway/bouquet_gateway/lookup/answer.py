"""Hops 3 to 10 of a data request, in the contract's order of checks (http-contract §2.7).

journal → blacklist and address → throttle → match → authenticate → scopes → in flight → version → recipient
→ parse → cache → maintenance → parameters → route → filter → render
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import msgspec
from aiohttp import web
from msgspec import Raw, Struct

from bouquet_gateway import metrics
from bouquet_gateway.access.callers import identify, let_in
from bouquet_gateway.access.holders import budget_of
from bouquet_gateway.access.tokens import Carrier, Token, carrier_of
from bouquet_gateway.call import JOURNEY, Journey
from bouquet_gateway.errors.nomenclature import reasons_of
from bouquet_gateway.errors.problems import Problem, is_outage
from bouquet_gateway.http.responses import json_bytes
from bouquet_gateway.lookup import sandbox
from bouquet_gateway.lookup.ask import ask_providers
from bouquet_gateway.lookup.maintenance import refuse_in_window
from bouquet_gateway.lookup.regime import Decision
from bouquet_gateway.lookup.scope_filter import filter_data, open_gates
from bouquet_gateway.offers.catalogue import Match, Naming, Served
from bouquet_gateway.paths import READING
from bouquet_gateway.state import GATEWAY, Gateway
from bouquet_gateway.stores.cache import key_of
from bouquet_proto.deadline import Deadline
from bouquet_proto.identity import MODALITIES, Identite, Identity
from bouquet_proto.messages import Caller, Found, Lookup, Parameter, Recorded
from bouquet_proto.query import Query, parse_query
from bouquet_proto.rules import Refusals, apply, is_siret, objections

IN_FLIGHT_MARGIN_S = 1.0
"""A marker of a call in flight ends so long after the call's deadline, if the process that put it died with it."""


ENCODED_SLASH = "%2F"
"""Part of a name (RFC 3986 §2.2): a proxy that guards a path does not take it for the slash that it would be to us."""

REMOVED = {
    "/api/impots/svair": "gone_tax_notice",
    "/api/v2/avis-imposition": "gone_tax_notice",
    "/api/caf/famille": "gone_first_quotient",
    "/api/v2/composition-familiale": "gone_first_quotient",
}
"""Paths that the contract has withdrawn (§1.3). An offer that still serves one comes first."""


class Asked(Struct, frozen=True):
    """A question whose parameters passed the rules."""

    identity: Identity
    parameters: dict[str, Parameter]


async def answer(request: web.Request) -> web.Response:
    gateway, journey = request.app[GATEWAY], request[JOURNEY]
    gateway.journal.begin(journey)
    deadline = Deadline.after(gateway.settings.deadline_s)
    query = parse_query(request.rel_url.raw_query_string)
    carrier = carrier_of(request.headers, lambda: request.query)
    holder = await let_in(gateway, request, carrier, deadline)
    match = _match(gateway, request, _naming(carrier, query))
    journey.served = match.served
    asker = await identify(gateway, request, match, carrier, holder, deadline)
    token = asker.token
    journey.token, journey.person = token, asker.citizen
    _authorise(token, match.family.scopes)
    async with _alone(gateway, request, budget_of(carrier, holder)):
        journey.reached_data = True
        served = _version(match)
        _authorise(token, served.operation.scopes)
        recipient = journey.recipient = _recipient(query, token, journey)
        today = gateway.clock().date()
        asked = _parse(served, query, today, asker.citizen)
        if isinstance(asked, Asked):
            journey.person = asked.identity
        key = _cache_key(gateway, request, served, asked, today)
        data = await _from_cache(gateway, journey, key)
        if data is None:
            refuse_in_window(gateway.windows, served.authority, gateway.clock())
            question = _accept(asked)
            lookup = Lookup(
                id=journey.request_id,
                deadline=deadline.at,
                operation=served.operation.id,
                identity=question.identity,
                parameters=question.parameters,
                caller=Caller(recipient=recipient, token_id=token.id),
            )
            reply = await _asked(gateway, journey, served, lookup, key, today)
            if isinstance(reply, Recorded):
                return sandbox.render(reply, served, token.scopes)
            data = reply.data
        return _render(journey, _opened(data, served, token.scopes))


def _naming(carrier: Carrier, query: Query) -> Naming:
    """A blank INE names nobody."""
    ine = query.scalar("ine")
    return Naming(by_session=carrier.place == "bearer", by_ine=bool(ine.strip() if isinstance(ine, str) else ine))


def _match(gateway: Gateway, request: web.Request, naming: Naming) -> Match:
    if ENCODED_SLASH in request.rel_url.raw_path.upper():
        raise Problem("unknown_route")
    path = request[JOURNEY].path
    match = gateway.catalogue.match(path, naming) if request.method in READING else None
    if match is not None:
        return match
    if path in REMOVED:
        raise Problem(REMOVED[path])
    if gateway.discovery.complete or request.method not in READING:
        raise Problem("unknown_route")
    raise Problem("bus_unavailable")  # perhaps the path of a worker that has not been heard yet


def _authorise(token: Token, scopes: frozenset[str] | tuple[str, ...]) -> None:
    if token.scopes.isdisjoint(scopes):
        raise Problem("insufficient_scopes")


@asynccontextmanager
async def _alone(gateway: Gateway, request: web.Request, budget: str) -> AsyncIterator[None]:
    """One token asks one thing once at a time. Taken atomically, always given back (D1 to D3 of §8). Citizens differ
    by their sessions."""
    marker = key_of(gateway.cache_secret, "in flight", request[JOURNEY].path, _canonical_query(request), budget)
    if not await gateway.cache.add(marker, gateway.settings.deadline_s + IN_FLIGHT_MARGIN_S):
        raise Problem("already_in_flight")
    try:
        yield
    finally:
        await gateway.cache.delete(marker)


def _canonical_query(request: web.Request) -> str:
    return "&".join(sorted(request.rel_url.raw_query_string.split("&")))


def _version(match: Match) -> Served:
    if match.served is None:
        raise Problem("unknown_version", values={"version": match.version})
    return match.served


def _recipient(query: Query, token: Token, journey: Journey) -> str:
    """Mandatory from v3 on; v2 defaults to the habilitation's own SIRET (§1.5.1)."""
    recipient = query.scalar("recipient")
    if recipient is None and journey.envelope == "v2":
        recipient = token.siret
    if not isinstance(recipient, str) or not is_siret(recipient):
        raise Problem("00210")
    return recipient


def _parse(served: Served, query: Query, today: date, citizen: Identite | None) -> Asked | Refusals:
    if citizen is not None and (codes := objections(served.operation.pivot, citizen, today)):
        return Refusals(codes)
    values = apply(served.operation.checks, query, today)
    if isinstance(values, Refusals):
        return values
    if citizen is not None:
        return Asked(citizen, values)
    modality = MODALITIES[served.operation.modality]
    others = values.keys() - set(modality.__struct_fields__)
    return Asked(msgspec.convert(values, modality), {name: values[name] for name in others})


def _accept(asked: Asked | Refusals) -> Asked:
    if isinstance(asked, Refusals):
        raise Problem(*asked.codes)
    return asked


def _cache_key(gateway: Gateway, request: web.Request, served: Served, asked: Asked | Refusals, today: date) -> str:
    """Empty where the answer may not come from a cache. The month is always part of the key: a quotient asked
    without a month is this month's, and must not outlive it (D5)."""
    bypassed = request.headers.get("Cache-Control") == "no-cache"
    if not served.operation.cache_s or bypassed or isinstance(asked, Refusals):
        return ""
    person = msgspec.json.encode([asked.identity, asked.parameters], order="sorted")
    return key_of(gateway.cache_secret, "data", served.operation.id, person.decode(), today.isoformat()[:7])


async def _from_cache(gateway: Gateway, journey: Journey, key: str) -> Raw | None:
    stored = await gateway.cache.get(key) if key else None
    metrics.cache_lookups("bypassed" if not key else "hit" if stored else "miss").inc()
    if stored is None:
        return None
    journey.cached_for_s = stored.expires_in_s
    return Raw(stored.value)


async def _asked(
    gateway: Gateway, journey: Journey, served: Served, lookup: Lookup, key: str, today: date
) -> Found | Recorded:
    """What the providers say now. Successes alone are remembered; the same question under way is joined."""

    async def ask() -> Decision:
        verdict = await ask_providers(gateway, served, lookup, today)
        if key and isinstance(verdict.reply, Found):
            await gateway.cache.set(key, bytes(verdict.reply.data), served.operation.cache_s)
        return verdict

    with journey.waiting():
        verdict, joined = await gateway.flights.join(key, ask) if key else (await ask(), False)
    if joined:
        metrics.cache_lookups("joined").inc()
    gateway.hear(served.status, outage=is_outage(verdict.reply, served.problems))
    journey.provider = verdict.provider
    journey.regime = verdict.provider if served.operation.plan else ""
    match verdict.reply:
        case Found() as found:
            return found
        case Recorded() as case if gateway.settings.sandbox:
            return case
        case reply:
            raise Problem.of(reply, verdict.authority, reasons_of(served))


def _opened(data: Raw, served: Served, scopes: frozenset[str]) -> Raw:
    """Hop 9: what the caller's scopes do not open is absent."""
    whole = open_gates(data, scopes) if served.operation.gated else data
    return filter_data(whole, served.operation.fields, scopes)


def _render(journey: Journey, data: Raw | bytes) -> web.Response:
    body = bytes(data) if journey.envelope == "v2" else b'{"data":' + bytes(data) + b',"links":{},"meta":{}}'
    return json_bytes(body)
