"""Hop 7: to the one provider of an operation, or by the regime plan when two answer it."""

from __future__ import annotations

from datetime import date

from bouquet_gateway import metrics
from bouquet_gateway.cache import Cache, key_of
from bouquet_gateway.catalogue import Served
from bouquet_gateway.gateway import Gateway
from bouquet_gateway.identities import regime_traits
from bouquet_gateway.regime import Question, Verdict
from bouquet_gateway.regime_plan import Ruling, rule
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Lookup
from bouquet_proto.quotient_familial import FILES, REGIMES
from bouquet_proto.telemetry import note

HINT_S = 30 * 24 * 3600
"""How long a regime is remembered at most (upstreams/06 §6.8)."""


async def ask(gateway: Gateway, served: Served, lookup: Lookup, today: date) -> Verdict:
    if served.operation.plan == "regime":
        return await _ask_regimes(gateway, lookup, today)
    reply = await gateway.bus.call(served.provider, lookup)
    return Verdict(reply, served.authority, served.provider)


async def _ask_regimes(gateway: Gateway, lookup: Lookup, today: date) -> Verdict:
    assert isinstance(lookup.identity, Identite)
    hint_key = key_of(gateway.cache_secret, "regime", *regime_traits(lookup.identity))
    ruling = await rule(
        gateway.bus.call,
        lookup,
        Question(lookup.identity, past_month=_is_past(lookup, today), file=FILES[lookup.operation]),
        REGIMES,
        gateway.settings.patience(),
        hint=await _hint(gateway.cache, hint_key),
    )
    await _remember(gateway.cache, hint_key, ruling)
    verdict = ruling.verdict
    metrics.REGIME.labels(verdict.provider or "none", ruling.source).inc()
    if verdict.anomaly:
        metrics.REGIME_ANOMALIES.labels(verdict.anomaly.value).inc()
    note({"bouquet.regime": verdict.provider or "none", "bouquet.regime.source": ruling.source})
    return verdict


def _is_past(lookup: Lookup, today: date) -> bool:
    year = lookup.parameters.get("annee", today.year)
    month = lookup.parameters.get("mois", today.month)
    return (year, month) != (today.year, today.month)


async def _hint(cache: Cache, key: str) -> str:
    stored = await cache.get(key)
    hint = stored.value.decode() if stored else ""
    return hint if hint in (REGIMES.first, REGIMES.second) else ""


async def _remember(cache: Cache, key: str, ruling: Ruling) -> None:
    if ruling.learnt:
        await cache.set(key, ruling.learnt.encode(), HINT_S)
    elif ruling.unlearn:
        await cache.delete(key)
