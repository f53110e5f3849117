"""Hop 7: to the one provider of an operation, or by the regime plan when two answer it."""

from __future__ import annotations

import logging
from datetime import date
from functools import partial

from bouquet_gateway import metrics
from bouquet_gateway.lookup.identities import regime_traits
from bouquet_gateway.lookup.regime import Decision, Question
from bouquet_gateway.lookup.regime_plan import Resolution, resolve
from bouquet_gateway.offers.catalogue import Served
from bouquet_gateway.state import Gateway
from bouquet_gateway.stores.cache import Cache, key_of
from bouquet_mesh.observe.spans import note
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, Found, Lookup, Reply
from bouquet_proto.quotient_familial import FILES, REGIMES

log = logging.getLogger(__name__)

HINT_S = 30 * 24 * 3600
"""How long a regime is remembered at most (upstreams/06 §6.8)."""


async def ask_providers(gateway: Gateway, served: Served, lookup: Lookup, today: date) -> Decision:
    if served.operation.plan == "regime":
        return await _ask_regimes(gateway, served, lookup, today)
    reply = await _ask_one(gateway, served, served.provider, lookup)
    return Decision(reply, served.authority, served.provider)


async def _ask_one(gateway: Gateway, served: Served, provider: str, lookup: Lookup) -> Reply:
    """A worker is believed as to what it found, not as to what that is made of."""
    reply = await gateway.bus.call(provider, lookup)
    if not isinstance(reply, Found):
        return reply
    data = served.shape.read(reply.data)
    if data is None:
        log.error("reply unlike its offer", extra={"provider": provider, "operation": lookup.operation})
        metrics.REPLIES_RESHAPED.labels(provider, "refused").inc()
        return Failed("malformed_reply")
    if data is reply.data:
        return reply
    metrics.REPLIES_RESHAPED.labels(provider, "trimmed").inc()
    return Found(data)


async def _ask_regimes(gateway: Gateway, served: Served, lookup: Lookup, today: date) -> Decision:
    assert isinstance(lookup.identity, Identite)
    hint_key = key_of(gateway.cache_secret, "regime", *regime_traits(lookup.identity))
    resolution = await resolve(
        partial(_ask_one, gateway, served),
        lookup,
        Question(lookup.identity, past_month=_is_past(lookup, today), file=FILES[lookup.operation]),
        REGIMES,
        gateway.settings.hedge_timing(),
        hint=await _hint(gateway.cache, hint_key),
    )
    await _remember(gateway.cache, hint_key, resolution)
    verdict = resolution.decision
    metrics.regime(verdict.provider or "none", resolution.source).inc()
    if verdict.anomaly:
        metrics.REGIME_ANOMALIES.labels(verdict.anomaly.value).inc()
    note({"bouquet.regime": verdict.provider or "none", "bouquet.regime.source": resolution.source})
    return verdict


def _is_past(lookup: Lookup, today: date) -> bool:
    year = lookup.parameters.get("annee", today.year)
    month = lookup.parameters.get("mois", today.month)
    return (year, month) != (today.year, today.month)


async def _hint(cache: Cache, key: str) -> str:
    stored = await cache.get(key)
    hint = stored.value.decode() if stored else ""
    return hint if hint in (REGIMES.first, REGIMES.second) else ""


async def _remember(cache: Cache, key: str, resolution: Resolution) -> None:
    if resolution.learnt:
        await cache.set(key, resolution.learnt.encode(), HINT_S)
    elif resolution.unlearn:
        await cache.delete(key)
