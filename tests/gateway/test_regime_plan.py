"""Tests of lookups at CAF and MSA: which of the two the gateway asks, when, and how long it waits for the other.
Scripted answers replace their workers."""

from __future__ import annotations

import asyncio
import time

import pytest

from bouquet_gateway.lookup.regime import Anomaly
from bouquet_gateway.lookup.regime_plan import HedgeTiming, Resolution, resolve
from bouquet_proto.messages import Failed, Lookup, NotFound, Rejected, Reply
from bouquet_proto.quotient_familial import (
    CNAF,
    CNAF_AND_MSA,
    MSA,
    NO_FILE,
    PERIOD_REFUSED,
    REFUSED,
    REGIMES,
    UNIDENTIFIED,
)
from tests.support.quotient_replies import NOW, WHO, file_of
from tests.support.waiting import TEST_TIMEOUT_S

FOUND = {"cnaf": file_of("CNAF"), "msa": file_of("MSA")}
ABSENT = NotFound(NO_FILE)
DOWN = Failed("upstream_unavailable")
AN_HOUR_S = 3600.0


class ScriptedProviders:
    """Stand-in for CAF and MSA. It gives the scripted replies, and keeps the requests in `asked`. A provider without a
    scripted reply does not answer."""

    def __init__(self, **says: Reply) -> None:
        self.asked: dict[str, Lookup] = {}
        self.tasks: dict[str, asyncio.Task[Reply]] = {}
        self._said: dict[str, asyncio.Future[Reply]] = {
            name: asyncio.get_running_loop().create_future() for name in ("cnaf", "msa")
        }
        self._heard = {name: asyncio.Event() for name in self._said}
        for name, reply in says.items():
            self.set_reply(name, reply)

    def set_reply(self, name: str, reply: Reply) -> None:
        self._said[name].set_result(reply)

    async def until_asked(self, name: str) -> None:
        async with asyncio.timeout(TEST_TIMEOUT_S):
            await self._heard[name].wait()

    def __call__(self, name: str, lookup: Lookup) -> asyncio.Task[Reply]:
        self.asked[name] = lookup
        self._heard[name].set()
        self.tasks[name] = asyncio.create_task(self._answer(name))
        return self.tasks[name]

    async def _answer(self, name: str) -> Reply:
        return await self._said[name]


def lookup(within_s: float = 60.0) -> Lookup:
    return Lookup(id="5f1c", deadline=time.time() + within_s, operation="op", identity=WHO)


async def resolved(
    providers: ScriptedProviders,
    *,
    hedge_after_s: float = AN_HOUR_S,
    grace_s: float = 0.01,
    hint: str = "",
    question: Lookup | None = None,
) -> Resolution:
    timing = HedgeTiming(after_s=hedge_after_s, grace_s=grace_s)
    async with asyncio.timeout(TEST_TIMEOUT_S):
        return await resolve(providers, question or lookup(), NOW, REGIMES, timing, hint)


async def test_the_likelier_provider_is_asked_alone_when_it_finds() -> None:
    providers = ScriptedProviders(cnaf=FOUND["cnaf"])
    resolution = await resolved(providers)
    assert (resolution.chosen.reply, resolution.source, resolution.learned_provider) == (
        FOUND["cnaf"],
        "first",
        "cnaf",
    )
    assert list(providers.asked) == ["cnaf"]


@pytest.mark.parametrize("said", [ABSENT, *map(Rejected, (UNIDENTIFIED, REFUSED, PERIOD_REFUSED)), DOWN])
async def test_the_other_provider_is_asked_as_soon_as_the_first_has_not_found(said: Reply) -> None:
    providers = ScriptedProviders(cnaf=said, msa=FOUND["msa"])
    resolution = await resolved(providers, hedge_after_s=AN_HOUR_S)
    assert (resolution.chosen.provider, resolution.source, resolution.learned_provider) == ("msa", "second", "msa")


async def test_the_other_provider_is_asked_after_the_hedge_delay() -> None:
    providers = ScriptedProviders(msa=FOUND["msa"])
    resolution = await resolved(providers, hedge_after_s=0.01)
    assert resolution.chosen.provider == "msa"
    assert not providers.tasks["cnaf"].done()


async def test_an_answer_within_the_hedge_delay_asks_no_other_provider() -> None:
    providers = ScriptedProviders()
    resolution = asyncio.create_task(resolved(providers, hedge_after_s=AN_HOUR_S))
    await providers.until_asked("cnaf")
    providers.set_reply("cnaf", FOUND["cnaf"])
    await resolution
    assert list(providers.asked) == ["cnaf"]


async def test_a_late_found_answer_of_the_first_provider_counts() -> None:
    providers = ScriptedProviders(msa=ABSENT)
    resolution = asyncio.create_task(resolved(providers, hedge_after_s=0.01))
    await providers.until_asked("msa")
    providers.set_reply("cnaf", FOUND["cnaf"])
    assert (await resolution).chosen.provider == "cnaf"


async def test_a_choice_without_found_answer_waits_for_both_providers() -> None:
    providers = ScriptedProviders(cnaf=ABSENT)
    resolution = asyncio.create_task(resolved(providers))
    await providers.until_asked("msa")
    providers.set_reply("msa", FOUND["msa"])
    assert (await resolution).chosen.provider == "msa"


async def test_both_providers_are_asked_at_once_without_hedge_delay() -> None:
    providers = ScriptedProviders()
    resolution = asyncio.create_task(resolved(providers, hedge_after_s=0.0))
    await providers.until_asked("cnaf")
    await providers.until_asked("msa")
    providers.set_reply("msa", ABSENT)
    providers.set_reply("cnaf", ABSENT)
    assert (await resolution).chosen.reply == ABSENT


async def test_a_found_answer_waits_for_the_other_provider_within_the_grace() -> None:
    providers = ScriptedProviders(msa=FOUND["msa"])
    resolution = asyncio.create_task(resolved(providers, hedge_after_s=0.0, grace_s=AN_HOUR_S))
    await providers.until_asked("msa")
    providers.set_reply("cnaf", FOUND["cnaf"])
    chosen = (await resolution).chosen
    assert (chosen.anomaly, chosen.provider) == (Anomaly.DOUBLE_RATTACHEMENT, "msa")


async def test_a_found_answer_waits_no_longer_than_the_grace() -> None:
    providers = ScriptedProviders(msa=FOUND["msa"])
    resolution = await resolved(providers, hedge_after_s=0.0, grace_s=0.01)
    assert resolution.chosen.provider == "msa"
    assert not providers.tasks["cnaf"].done()


async def test_two_found_answers_leave_no_hint() -> None:
    providers = ScriptedProviders(msa=FOUND["msa"])
    resolution = asyncio.create_task(resolved(providers, hedge_after_s=0.0, grace_s=AN_HOUR_S))
    await providers.until_asked("msa")
    providers.set_reply("cnaf", FOUND["cnaf"])
    assert ((await resolution).source, (await resolution).learned_provider) == ("both", "")


@pytest.mark.parametrize("hedge_after_s", [0.0, AN_HOUR_S])
async def test_both_providers_have_the_whole_deadline(hedge_after_s: float) -> None:
    providers, question = ScriptedProviders(cnaf=ABSENT, msa=ABSENT), lookup()
    await resolved(providers, hedge_after_s=hedge_after_s, question=question)
    assert {asked.deadline for asked in providers.asked.values()} == {question.deadline}


async def test_both_providers_receive_the_same_question() -> None:
    providers = ScriptedProviders(cnaf=ABSENT, msa=ABSENT)
    await resolved(providers)
    assert providers.asked["cnaf"] == providers.asked["msa"]


async def test_a_cancelled_caller_cancels_neither_question() -> None:
    providers = ScriptedProviders()
    resolution = asyncio.create_task(resolved(providers, hedge_after_s=0.0))
    await providers.until_asked("msa")
    resolution.cancel()
    await asyncio.wait([resolution])
    for name in ("cnaf", "msa"):
        providers.set_reply(name, ABSENT)
    assert await asyncio.gather(*providers.tasks.values()) == [ABSENT, ABSENT]


async def test_the_hinted_provider_is_asked_alone_when_it_finds() -> None:
    providers = ScriptedProviders(msa=FOUND["msa"])
    resolution = await resolved(providers, hint="msa")
    assert (list(providers.asked), resolution.source, resolution.forget_hint) == (["msa"], "hint", False)


async def test_a_wrong_hint_is_replaced_by_the_provider_that_found() -> None:
    resolution = await resolved(ScriptedProviders(msa=ABSENT, cnaf=FOUND["cnaf"]), hint="msa")
    assert (resolution.chosen.provider, resolution.source, resolution.learned_provider, resolution.forget_hint) == (
        "cnaf",
        "second",
        "cnaf",
        True,
    )


@pytest.mark.parametrize("said", [*map(Rejected, (UNIDENTIFIED, REFUSED, PERIOD_REFUSED))])
async def test_a_refusal_of_the_hinted_provider_asks_the_other(said: Reply) -> None:
    resolution = await resolved(ScriptedProviders(msa=said, cnaf=FOUND["cnaf"]), hint="msa")
    assert (resolution.chosen.provider, resolution.learned_provider, resolution.forget_hint) == ("cnaf", "cnaf", True)
    resolution = await resolved(ScriptedProviders(msa=said, cnaf=DOWN), hint="msa")
    assert (resolution.chosen.reply, resolution.chosen.authority, resolution.learned_provider) == (DOWN, CNAF, "")


async def test_a_wrong_hint_is_forgotten_even_without_a_found_answer() -> None:
    resolution = await resolved(ScriptedProviders(msa=ABSENT, cnaf=ABSENT), hint="msa")
    assert (resolution.chosen.authority, resolution.learned_provider, resolution.forget_hint) == (
        CNAF_AND_MSA,
        "",
        True,
    )


async def test_a_failure_of_the_hinted_provider_keeps_the_hint() -> None:
    resolution = await resolved(ScriptedProviders(msa=DOWN, cnaf=ABSENT), hint="msa")
    assert (resolution.chosen.authority, resolution.forget_hint) == (MSA, False)


async def test_an_absence_leaves_no_hint() -> None:
    resolution = await resolved(ScriptedProviders(cnaf=ABSENT, msa=ABSENT))
    assert (resolution.learned_provider, resolution.forget_hint, resolution.source) == ("", False, "both")


async def test_a_failure_is_signed_by_the_provider_that_failed() -> None:
    assert (await resolved(ScriptedProviders(cnaf=DOWN, msa=ABSENT))).chosen.authority == CNAF
