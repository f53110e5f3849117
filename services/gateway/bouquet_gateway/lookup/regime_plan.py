"""The calls around the decision: who is asked first, when the other is, and what is remembered (upstreams/06 §6.8).

`hedged`: the likelier fund first; the other at once when the first answers anything but found, or after
`hedge_after_s` of silence. `parallel` and `sequential` are its two ends: no patience, and all of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from bouquet_gateway.lookup.regime import INCONCLUSIVE, Anomaly, Decision, Outcome, Question, Side, decide, hinted
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Found, Lookup, Reply
from bouquet_proto.quotient_familial import BOTH_FUNDS, Regimes

log = logging.getLogger(__name__)

Strategy: TypeAlias = Literal["hedged", "sequential", "parallel"]
AskOne: TypeAlias = Callable[[str, Lookup], Coroutine[Any, Any, Reply]]

DISPROOF = frozenset(Outcome) - INCONCLUSIVE - {Outcome.FOUND}
"""What shows a hint to be wrong; silence does not."""

FIRST_SHARE = 0.55
"""Of the time left, what a sequential plan grants the first fund, so that both fit in the deadline."""


class Patience(Struct, frozen=True, kw_only=True):
    strategy: Strategy = "hedged"
    hedge_after_s: float = 2.0
    grace_s: float = 0.3
    """How long a found answer waits for the other call already under way, only to notice a double file."""


class Ruling(Struct, frozen=True):
    """A verdict, and what is worth remembering of it."""

    verdict: Decision
    source: Literal["hint", "first", "second", "both"]
    """How the regime was known: remembered, first asked, found by the other, or both were heard."""
    learnt: str = ""
    """The provider to ask first next time: written on a single-sided find only."""
    unlearn: bool = False
    """The hint was wrong."""


async def rule(
    ask: AskOne,
    lookup: Lookup,
    question: Question,
    regimes: Regimes,
    patience: Patience,
    hint: str = "",
) -> Ruling:
    """Asks the funds that must be asked and decides. `hint` is the provider that answered last time, if known."""
    first = hint or regimes.first
    second = regimes.second if first == regimes.first else regimes.first
    replies = await _ask_in_turn(ask, lookup, (first, second), patience)
    sides = {name: Side(name, regimes.authorities[name], reply) for name, reply in replies.items()}
    verdict = _decide(sides, first, second, bool(hint), question, regimes)
    if verdict.anomaly is not Anomaly.NONE:
        log.warning("regime anomaly", extra={"anomaly": verdict.anomaly.value, "regime": verdict.provider})
    single = sum(side.outcome is Outcome.FOUND for side in sides.values()) == 1
    return Ruling(
        verdict,
        _source(sides, verdict, first, bool(hint)),
        learnt=verdict.provider if single else "",
        unlearn=bool(hint) and first in sides and sides[first].outcome in DISPROOF,
    )


def _decide(
    sides: dict[str, Side], first: str, second: str, by_hint: bool, question: Question, regimes: Regimes
) -> Decision:
    if len(sides) == 1:  # the only one heard, because it found
        [alone] = sides.values()
        return Decision(alone.reply, alone.authority, alone.provider)
    judge = hinted if by_hint else decide
    return judge(sides[first], sides[second], question, regimes, BOTH_FUNDS)


def _source(
    sides: dict[str, Side], verdict: Decision, first: str, by_hint: bool
) -> Literal["hint", "first", "second", "both"]:
    if not verdict.provider or verdict.anomaly is Anomaly.DOUBLE_RATTACHEMENT:
        return "both"
    if verdict.provider != first:
        return "second"
    return "hint" if by_hint else "first"


async def _ask_in_turn(ask: AskOne, lookup: Lookup, order: tuple[str, str], patience: Patience) -> dict[str, Reply]:
    """Replies by provider. The second one is missing only when the first found, or was still unheard beside a find."""
    first, second = order
    tasks = {first: asyncio.create_task(ask(first, _first_share(lookup, patience)))}
    try:
        await asyncio.wait(tasks.values(), timeout=_wait_s(lookup, patience))
        if not _has_found(tasks):
            tasks[second] = asyncio.create_task(ask(second, lookup))
            await _until_found_or_all_heard(tasks)
            if _has_found(tasks):
                await asyncio.wait(tasks.values(), timeout=patience.grace_s)
        return {provider: task.result() for provider, task in tasks.items() if task.done()}
    finally:
        for task in tasks.values():
            task.cancel()


def _wait_s(lookup: Lookup, patience: Patience) -> float:
    match patience.strategy:
        case "parallel":
            return 0.0
        case "sequential":
            return Deadline(lookup.deadline).left_s()
        case "hedged":
            return patience.hedge_after_s


def _first_share(lookup: Lookup, patience: Patience) -> Lookup:
    if patience.strategy != "sequential":
        return lookup
    deadline = Deadline.after(Deadline(lookup.deadline).left_s() * FIRST_SHARE)
    return msgspec.structs.replace(lookup, deadline=deadline.at)


async def _until_found_or_all_heard(tasks: dict[str, asyncio.Task[Reply]]) -> None:
    waiting = {task for task in tasks.values() if not task.done()}
    while waiting and not _has_found(tasks):
        _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)


def _has_found(tasks: dict[str, asyncio.Task[Reply]]) -> bool:
    return any(task.done() and isinstance(task.result(), Found) for task in tasks.values())
