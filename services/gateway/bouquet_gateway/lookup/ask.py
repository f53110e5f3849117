"""Hop 7: to the one provider of an operation, or by the regime plan when two answer it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import date
from functools import partial
from typing import Any

from msgspec import Struct

from bouquet_gateway import metrics
from bouquet_gateway.errors.nomenclature import reasons_of
from bouquet_gateway.errors.problems import UNKNOWN, is_credible, is_outage
from bouquet_gateway.lookup.answer_cache import AnswerCache
from bouquet_gateway.lookup.regime import Decision, Question
from bouquet_gateway.lookup.regime_hints import RegimeHints
from bouquet_gateway.lookup.regime_plan import AskOne, HedgeTiming, resolve
from bouquet_gateway.offers.catalogue import Served
from bouquet_gateway.offers.replies import believed
from bouquet_gateway.stores.single_flight import SingleFlight
from bouquet_mesh.bus.api import Calling
from bouquet_mesh.observe.spans import add_attributes
from bouquet_proto.deadline import Deadline
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, Found, Lookup, NotFound, Rejected, Reply
from bouquet_proto.quotient_familial import FILES, REGIMES

log = logging.getLogger(__name__)


BUSY, LATE = Failed("provider_busy"), Failed("deadline_exceeded")


class Asked(Struct, frozen=True):
    decision: Decision
    was_refused: bool
    """The caller whose question it was has no place left at a provider, and was told nothing for that."""


class Providers:
    """Asks for the data of a lookup. The same lookup under way is joined; what is found goes into the cache."""

    def __init__(
        self,
        bus: Calling,
        cache: AnswerCache,
        hints: RegimeHints,
        timing: HedgeTiming,
        report: Callable[[str, bool | None], None],
    ) -> None:
        """`report` is told how each question has ended: its resource's status name, and whether by an outage, `None`
        for one that was not put."""
        self._bus = bus
        self._cache = cache
        self._hints = hints
        self._timing = timing
        self._report = report
        self._asking: SingleFlight[Asked] = SingleFlight()

    async def ask(self, served: Served, lookup: Lookup, key: str, today: date) -> Decision:
        """`key` is the answer's in the cache; empty for one that is neither kept nor shared."""
        asking = partial(self._ask, served, lookup, key, today)
        asked = await (self._share(served, key, asking, Deadline(lookup.deadline)) if key else asking())
        self._report(served.status, is_outage(asked.decision.reply, served.problems))
        return asked.decision

    async def _share(
        self, served: Served, key: str, asking: Callable[[], Coroutine[Any, Any, Asked]], deadline: Deadline
    ) -> Asked:
        """What another caller is told goes for this one too, unless that caller has no place left at a provider."""
        asked, joined = await self._asking.join(key, asking)
        try:
            while joined and asked.was_refused:
                async with asyncio.timeout(deadline.left_s()):  # who asks now may have come later, and wait longer
                    asked, joined = await self._asking.join(key, asking)
        except TimeoutError:
            return Asked(Decision(LATE, served.authority), was_refused=False)
        if joined:
            metrics.cache_lookups("joined").inc()
        return asked

    async def _ask(self, served: Served, lookup: Lookup, key: str, today: date) -> Asked:
        is_busy = False

        async def ask_one(provider: str, lookup: Lookup) -> Reply:
            nonlocal is_busy
            reply = await self._ask_one(served, provider, lookup)
            is_busy = is_busy or reply == BUSY
            return reply

        async def ask_credibly(provider: str, lookup: Lookup) -> Reply:
            """A refusal that nobody believes does not keep the other provider from being asked."""
            match await ask_one(provider, lookup):
                case NotFound() | Rejected() | Failed() as reply if not is_credible(reply, reasons_of(served)):
                    return Failed(UNKNOWN)
                case reply:
                    return reply

        if served.operation.plan == "regime":
            decision = await self._ask_regimes(ask_credibly, lookup, today)
        else:
            decision = Decision(await ask_one(served.provider, lookup), served.authority, served.provider)
        if isinstance(decision.reply, Found):
            await self._cache.set(key, decision.reply.data, served.operation.cache_s)
        return Asked(decision, was_refused=is_busy and isinstance(decision.reply, Failed))

    async def _ask_one(self, served: Served, provider: str, lookup: Lookup) -> Reply:
        """A worker is believed as to what it found, not as to what that is made of."""
        told = await self._bus.call(provider, lookup)
        reply = believed(told, provider, lookup.operation, served.operation.reply)
        if not isinstance(reply, Found):
            return reply
        data = served.reply_schema.read(reply.data)
        if data is None:
            log.error("reply unlike its offer", extra={"provider": provider, "operation": lookup.operation})
            metrics.REPLIES_RESHAPED.labels(provider, "refused").inc()
            return Failed("malformed_reply")
        if data is reply.data:
            return reply
        metrics.REPLIES_RESHAPED.labels(provider, "trimmed").inc()
        return Found(data)

    async def _ask_regimes(self, ask_one: AskOne, lookup: Lookup, today: date) -> Decision:
        assert isinstance(lookup.identity, Identite)
        hint_key = self._hints.key(lookup.identity)
        resolution = await resolve(
            ask_one,
            lookup,
            Question(lookup.identity, past_month=_is_past(lookup, today), file=FILES[lookup.operation]),
            REGIMES,
            self._timing,
            hint=await self._hints.get(hint_key),
        )
        if resolution.learnt:
            await self._hints.set(hint_key, resolution.learnt)
        elif resolution.unlearn:
            await self._hints.forget(hint_key)
        decision = resolution.decision
        metrics.regime(decision.provider or "none", resolution.source).inc()
        if decision.anomaly:
            metrics.REGIME_ANOMALIES.labels(decision.anomaly.value).inc()
        add_attributes({"bouquet.regime": decision.provider or "none", "bouquet.regime.source": resolution.source})
        return decision


def _is_past(lookup: Lookup, today: date) -> bool:
    year = lookup.parameters.get("annee", today.year)
    month = lookup.parameters.get("mois", today.month)
    return (year, month) != (today.year, today.month)
