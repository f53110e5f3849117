"""Asks the two funds of a regime plan and remembers which one knew the person (docs/reference/upstreams/regime.md §8).

The likelier fund is asked first; the other at once when the first answers anything but found, or after `after_s` of
silence. With `after_s` at 0 both are asked at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from bouquet_gateway.lookup.regime import INCONCLUSIVE, Anomaly, Decision, Outcome, Question, Side, decide, hinted
from bouquet_proto.messages import Found, Lookup, Reply
from bouquet_proto.quotient_familial import BOTH_FUNDS, Regimes

log = logging.getLogger(__name__)

AskOne: TypeAlias = Callable[[str, Lookup], Coroutine[Any, Any, Reply]]
Source: TypeAlias = Literal["hint", "first", "second", "both"]

DISPROOF = frozenset(Outcome) - INCONCLUSIVE - {Outcome.FOUND}
"""Outcomes that show a hint to be wrong; silence does not."""


class HedgeTiming(Struct, frozen=True, kw_only=True):
    after_s: float = 2.0
    """How long the first fund may be silent before the other is asked too."""
    grace_s: float = 0.3
    """How long a found answer waits for the other call already under way, only to notice a double file."""


class Resolution(Struct, frozen=True):
    """A decision, and what is worth remembering of it."""

    decision: Decision
    source: Source
    """How the regime was known: remembered, first asked, found by the other, or both answered."""
    learnt: str = ""
    """The provider to ask first next time: written on a single-sided find only."""
    unlearn: bool = False
    """The hint was wrong."""


async def resolve(
    ask: AskOne,
    lookup: Lookup,
    question: Question,
    regimes: Regimes,
    timing: HedgeTiming,
    hint: str = "",
) -> Resolution:
    """Asks the funds that must be asked and decides. `hint` is the provider that answered last time, if known."""
    first = hint or regimes.first
    second = regimes.second if first == regimes.first else regimes.first
    replies = await _hedged(ask, lookup, (first, second), timing)
    sides = {name: Side(name, regimes.authorities[name], reply) for name, reply in replies.items()}
    decision = _decide(sides, first, second, bool(hint), question, regimes)
    if decision.anomaly is not Anomaly.NONE:
        log.warning("regime anomaly", extra={"anomaly": decision.anomaly.value, "regime": decision.provider})
    single = sum(side.outcome is Outcome.FOUND for side in sides.values()) == 1
    return Resolution(
        decision,
        _source(decision, first, bool(hint)),
        learnt=decision.provider if single else "",
        unlearn=bool(hint) and first in sides and sides[first].outcome in DISPROOF,
    )


def _decide(
    sides: dict[str, Side], first: str, second: str, by_hint: bool, question: Question, regimes: Regimes
) -> Decision:
    if len(sides) == 1:  # the only one that answered in time, because it found
        [alone] = sides.values()
        return Decision(alone.reply, alone.authority, alone.provider)
    judge = hinted if by_hint else decide
    return judge(sides[first], sides[second], question, regimes, BOTH_FUNDS)


def _source(decision: Decision, first: str, by_hint: bool) -> Source:
    if not decision.provider or decision.anomaly is Anomaly.DOUBLE_RATTACHEMENT:
        return "both"
    if decision.provider != first:
        return "second"
    return "hint" if by_hint else "first"


async def _hedged(ask: AskOne, lookup: Lookup, order: tuple[str, str], timing: HedgeTiming) -> dict[str, Reply]:
    """Replies by provider. The second is missing only when the first found, or had not answered beside a find."""
    first, second = order
    tasks = {first: asyncio.create_task(ask(first, lookup))}
    try:
        await asyncio.wait(tasks.values(), timeout=timing.after_s)
        if not _has_found(tasks):
            tasks[second] = asyncio.create_task(ask(second, lookup))
            await _until_found_or_all_answered(tasks)
            if _has_found(tasks):
                await asyncio.wait(tasks.values(), timeout=timing.grace_s)
        return {provider: task.result() for provider, task in tasks.items() if task.done()}
    finally:
        for task in tasks.values():
            task.cancel()


async def _until_found_or_all_answered(tasks: dict[str, asyncio.Task[Reply]]) -> None:
    waiting = {task for task in tasks.values() if not task.done()}
    while waiting and not _has_found(tasks):
        _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)


def _has_found(tasks: dict[str, asyncio.Task[Reply]]) -> bool:
    return any(task.done() and isinstance(task.result(), Found) for task in tasks.values())
