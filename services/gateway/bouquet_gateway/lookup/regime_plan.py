"""Lookup of data that two providers have, CAF and MSA (docs/reference/upstreams/regime.md §8). The provider that last
found the person is asked first, and the other only if necessary."""
# The first is the CAF if none is remembered. The other one is asked as soon as the first answers without having found
# the person, or after `after_s` seconds without an answer. If `after_s` is 0, both are asked at once.

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Literal, TypeAlias

from msgspec import Struct

from bouquet_gateway.lookup.regime import (
    INCONCLUSIVE,
    Anomaly,
    ChoiceCriteria,
    ChosenReply,
    Outcome,
    ProviderReply,
    choose_reply,
    choose_reply_with_hint,
)
from bouquet_mesh.tasks import wait_at_most
from bouquet_proto.messages import Found, Lookup, Reply
from bouquet_proto.quotient_familial import CNAF_AND_MSA, Regimes

log = logging.getLogger(__name__)

StartAsking: TypeAlias = Callable[[str, Lookup], "asyncio.Task[Reply]"]
"""Function that sends a lookup to the provider with the given name. Returns the task that waits for the reply, at most
until the lookup's deadline."""
Source: TypeAlias = Literal["hint", "first", "second", "both"]

HINT_DISPROVED_BY = frozenset(Outcome) - INCONCLUSIVE - {Outcome.FOUND}
"""Outcomes of a provider's reply after which the gateway no longer remembers that this provider has the person's
data."""


class HedgeTiming(Struct, frozen=True, kw_only=True):
    """Two waits in a lookup at CAF and MSA: one before the second provider is asked, one for the slower reply."""

    after_s: float = 2.0
    """Longest wait, in seconds, for the reply of the first provider. Then the gateway also asks the second."""
    grace_s: float = 0.3
    """Longest wait, in seconds, for the slower reply once one provider has found the person."""
    # The late answer shows whether both know the person.


class Resolution(Struct, frozen=True):
    """Result of a lookup at CAF or MSA: the chosen reply, and what to remember about the person."""

    chosen: ChosenReply
    source: Source
    """Provider whose reply was chosen: the provider asked `first` or `second`. Instead of `first`, `hint` stands for
    the provider that found the person the last time. `both`: neither or both have found the person."""
    learned_provider: str = ""
    """Name of the provider to ask first the next time; empty unless exactly one provider has found the person."""
    forget_hint: bool = False
    """Whether to forget which provider found the person the last time. True if this provider has replied, but has not
    found the person now (`HINT_DISPROVED_BY`)."""


async def resolve(
    start: StartAsking,
    lookup: Lookup,
    criteria: ChoiceCriteria,
    regimes: Regimes,
    timing: HedgeTiming,
    hint: str = "",
) -> Resolution:
    """Asks CAF, MSA or both about a person, and decides between their replies. `hint` is the name of the provider that
    last found the person; "" if unknown.

    `start` sends the lookup to a provider. `criteria` and `regimes` decide between the replies. `timing` limits the
    waits for the first and the slower reply.
    """
    first = hint or regimes.asked_first
    second = regimes.asked_second if first == regimes.asked_first else regimes.asked_first
    replies = await _hedged(start, lookup, (first, second), timing)
    provider_replies = {name: ProviderReply(name, regimes.authorities[name], reply) for name, reply in replies.items()}
    chosen = _choose(provider_replies, first, second, bool(hint), criteria, regimes)
    if chosen.anomaly is not Anomaly.NONE:
        log.warning("regime anomaly", extra={"anomaly": chosen.anomaly.value, "regime": chosen.provider})
    single = sum(answer.outcome is Outcome.FOUND for answer in provider_replies.values()) == 1
    return Resolution(
        chosen,
        _source(chosen, first, bool(hint)),
        learned_provider=chosen.provider if single else "",
        forget_hint=bool(hint) and first in provider_replies and provider_replies[first].outcome in HINT_DISPROVED_BY,
    )


def _choose(
    provider_replies: dict[str, ProviderReply],
    first: str,
    second: str,
    has_hint: bool,
    criteria: ChoiceCriteria,
    regimes: Regimes,
) -> ChosenReply:
    if len(provider_replies) == 1:  # only a found answer makes the other one unnecessary
        [alone] = provider_replies.values()
        return ChosenReply(alone.reply, alone.authority, alone.provider)
    choose = choose_reply_with_hint if has_hint else choose_reply
    return choose(provider_replies[first], provider_replies[second], criteria, regimes, CNAF_AND_MSA)


def _source(chosen: ChosenReply, first: str, has_hint: bool) -> Source:
    if not chosen.provider or chosen.anomaly is Anomaly.DOUBLE_RATTACHEMENT:
        return "both"
    if chosen.provider != first:
        return "second"
    return "hint" if has_hint else "first"


async def _hedged(start: StartAsking, lookup: Lookup, order: tuple[str, str], timing: HedgeTiming) -> dict[str, Reply]:
    """Asks the first provider in `order`, and returns the replies by provider. If the first does not find the person
    within `timing.after_s` seconds, also asks the second. Once a provider finds the person, waits at most
    `timing.grace_s` seconds for the other."""
    first, second = order
    tasks = {first: start(first, lookup)}
    await wait_at_most(timing.after_s, tasks[first])
    if not _has_found(tasks):
        tasks[second] = start(second, lookup)
        await _until_found_or_all_answered(tasks)
        if _has_found(tasks):
            await asyncio.wait(tasks.values(), timeout=timing.grace_s)
    # A call without a reply is not cancelled: it counts as in flight until it ends, since its worker is busy with it.
    return {provider: task.result() for provider, task in tasks.items() if task.done()}


async def _until_found_or_all_answered(tasks: dict[str, asyncio.Task[Reply]]) -> None:
    waiting = {task for task in tasks.values() if not task.done()}
    while waiting and not _has_found(tasks):
        _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)


def _has_found(tasks: dict[str, asyncio.Task[Reply]]) -> bool:
    return any(task.done() and isinstance(task.result(), Found) for task in tasks.values())
