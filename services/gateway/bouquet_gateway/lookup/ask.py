"""Sending of lookups to providers (step 7 in docs/architecture.md). Most operations have one provider; for the quotient
familial, CAF, MSA or both are asked."""

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
from bouquet_gateway.errors.problems import UPSTREAM_UNKNOWN, is_credible, is_outage
from bouquet_gateway.lookup.answer_cache import AnswerCache
from bouquet_gateway.lookup.regime import ChoiceCriteria, ChosenReply
from bouquet_gateway.lookup.regime_hints import RegimeHints
from bouquet_gateway.lookup.regime_plan import HedgeTiming, StartAsking, resolve
from bouquet_gateway.offers.catalogue import ServedOperation
from bouquet_gateway.offers.replies import limited
from bouquet_gateway.stores.single_flight import SingleFlight
from bouquet_mesh.bus.api import BusClient
from bouquet_mesh.observe.spans import add_attributes
from bouquet_proto.deadline import Deadline
from bouquet_proto.identity import Identite
from bouquet_proto.messages import Failed, Found, Lookup, NotFound, Rejected, Reply
from bouquet_proto.quotient_familial import DATA_TYPES, REGIMES

log = logging.getLogger(__name__)


BUSY, LATE = Failed("provider_busy"), Failed("deadline_exceeded")


class LookupResult(Struct, frozen=True):
    """Result of a lookup. Identical lookups at the same time get the same result, unless `was_busy` is true."""

    chosen: ChosenReply
    was_busy: bool
    """Whether a limit on calls in flight stopped the lookup at a provider. Identical lookups of other callers then ask
    again."""
    # It may be the limit of this caller alone.


class Providers:
    """Service that sends lookups to providers, and caches the data in their replies. Identical lookups at the same time
    are sent only once."""

    def __init__(
        self,
        bus: BusClient,
        cache: AnswerCache,
        hints: RegimeHints,
        timing: HedgeTiming,
        report: Callable[[str, bool | None], None],
    ) -> None:
        """Takes `report`, a function that is called after each lookup. Arguments are the resource's name in
        `/api/{status}/ping`, and whether the provider was out of service (`None` if unknown)."""
        self._bus = bus
        self._cache = cache
        self._hints = hints
        self._timing = timing
        self._report = report
        self._flights: SingleFlight[LookupResult] = SingleFlight()
        self._asking: set[asyncio.Task[Reply]] = set()
        """Running tasks that ask CAF or MSA."""
        # Python may destroy a task that nothing refers to.
        # A lookup may be answered while a task still runs.

    async def ask(self, served: ServedOperation, lookup: Lookup, key: str, today: date) -> ChosenReply:
        """Asks the operation's providers, and returns the reply that the caller gets. `key` is the lookup's key in the
        cache of answers. With an empty key, the reply is neither cached nor shared. `today` decides whether the lookup
        is about a past month."""
        ask = partial(self._ask, served, lookup, key, today)
        answer = await (self._share(served, key, ask, Deadline(lookup.deadline)) if key else ask())
        self._report(served.ping_name, is_outage(answer.chosen.reply, served.problems))
        return answer.chosen

    async def _share(
        self,
        served: ServedOperation,
        key: str,
        ask: Callable[[], Coroutine[Any, Any, LookupResult]],
        deadline: Deadline,
    ) -> LookupResult:
        """Returns the result of a lookup. If a lookup with the same `key` is in flight, waits for its result. Otherwise
        calls `ask`, and shares the result with identical lookups that come meanwhile."""
        # If the other lookup fails because of a limit on calls in flight, which may be its caller's own limit, tries
        # again until `deadline`.
        answer, joined = await self._flights.join(key, ask)
        try:
            while joined and answer.was_busy:
                async with asyncio.timeout(deadline.left_s()):  # the deadline of this caller, not of the one joined
                    answer, joined = await self._flights.join(key, ask)
        except TimeoutError:
            return LookupResult(ChosenReply(LATE, served.authority), was_busy=False)
        if joined:
            metrics.cache_lookups("joined").inc()
        return answer

    async def _ask(self, served: ServedOperation, lookup: Lookup, key: str, today: date) -> LookupResult:
        was_busy = False

        async def ask_one(provider: str, lookup: Lookup) -> Reply:
            nonlocal was_busy
            reply = await self._ask_one(served, provider, lookup)
            was_busy = was_busy or reply == BUSY
            return reply

        async def ask_if_credible(provider: str, lookup: Lookup) -> Reply:
            """Asks a provider and returns its reply. Returns the failure `upstream_unknown` instead if the worker may
            not give the reason in its reply."""
            match await ask_one(provider, lookup):
                case NotFound() | Rejected() | Failed() as reply if not is_credible(reply, reasons_of(served)):
                    return Failed(UPSTREAM_UNKNOWN)
                case reply:
                    return reply

        def start(provider: str, lookup: Lookup) -> asyncio.Task[Reply]:
            task = asyncio.create_task(ask_if_credible(provider, lookup))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            return task

        if served.operation.plan == "regime":
            chosen = await self._ask_regimes(start, lookup, today)
        else:
            chosen = ChosenReply(await ask_one(served.provider, lookup), served.authority, served.provider)
        if isinstance(chosen.reply, Found):
            await self._cache.set(key, chosen.reply.data, served.operation.cache_s)
        return LookupResult(chosen, was_busy=was_busy and isinstance(chosen.reply, Failed))

    async def _ask_one(self, served: ServedOperation, provider: str, lookup: Lookup) -> Reply:
        """Asks one provider and returns its reply, without fields that the operation's schema lacks. A reply that
        exceeds a limit, or does not match the schema, becomes the failure `malformed_reply`."""
        received = await self._bus.call(provider, lookup)
        reply = limited(received, provider, lookup.operation, served.operation.reply)
        if not isinstance(reply, Found):
            return reply
        data = served.reply_schema.read(reply.data)
        if data is None:
            log.error("reply does not match its offer", extra={"provider": provider, "operation": lookup.operation})
            metrics.REPLIES_RESHAPED.labels(provider, "refused").inc()
            return Failed("malformed_reply")
        if data is reply.data:
            return reply
        metrics.REPLIES_RESHAPED.labels(provider, "trimmed").inc()
        return Found(data)

    async def _ask_regimes(self, start: StartAsking, lookup: Lookup, today: date) -> ChosenReply:
        assert isinstance(lookup.identity, Identite)
        hint_key = self._hints.key(lookup.identity)
        resolution = await resolve(
            start,
            lookup,
            ChoiceCriteria(lookup.identity, past_month=_is_past(lookup, today), data_type=DATA_TYPES[lookup.operation]),
            REGIMES,
            self._timing,
            hint=await self._hints.get(hint_key),
        )
        if resolution.learned_provider:
            await self._hints.set(hint_key, resolution.learned_provider)
        elif resolution.forget_hint:
            await self._hints.forget(hint_key)
        chosen = resolution.chosen
        metrics.regime(chosen.provider or "none", resolution.source).inc()
        if chosen.anomaly:
            metrics.REGIME_ANOMALIES.labels(chosen.anomaly.value).inc()
        add_attributes({"bouquet.regime": chosen.provider or "none", "bouquet.regime.source": resolution.source})
        return chosen


def _is_past(lookup: Lookup, today: date) -> bool:
    year = lookup.parameters.get("annee", today.year)
    month = lookup.parameters.get("mois", today.month)
    return (year, month) != (today.year, today.month)
