"""Who is asked when, on the plan alone: the funds are functions that answer when they are told to."""

from __future__ import annotations

import asyncio
import time

import pytest

from bouquet_gateway.lookup.regime import Anomaly
from bouquet_gateway.lookup.regime_plan import HedgeTiming, Resolution, resolve
from bouquet_proto.messages import Failed, Lookup, NotFound, Rejected, Reply
from bouquet_proto.quotient_familial import (
    BOTH_FUNDS,
    CNAF,
    MSA,
    NO_FILE,
    PERIOD_REFUSED,
    REFUSED,
    REGIMES,
    UNIDENTIFIED,
)
from tests.gateway.test_regime import NOW, WHO, file_of
from tests.support.waiting import TEST_TIMEOUT_S, until

FOUND = {"cnaf": file_of("CNAF"), "msa": file_of("MSA")}
ABSENT = NotFound(NO_FILE)
DOWN = Failed("upstream_unavailable")
AN_HOUR_S = 3600.0


class Funds:
    """What each fund says, and what it was asked. One that says nothing is silent until it is told to speak."""

    def __init__(self, **says: Reply) -> None:
        self.asked: dict[str, Lookup] = {}
        self.given_up: list[str] = []
        self._said = {name: asyncio.get_running_loop().create_future() for name in ("cnaf", "msa")}
        self._heard = {name: asyncio.Event() for name in self._said}
        for name, reply in says.items():
            self.say(name, reply)

    def say(self, name: str, reply: Reply) -> None:
        self._said[name].set_result(reply)

    async def heard(self, name: str) -> None:
        async with asyncio.timeout(TEST_TIMEOUT_S):
            await self._heard[name].wait()

    async def __call__(self, name: str, lookup: Lookup) -> Reply:
        self.asked[name] = lookup
        self._heard[name].set()
        try:
            return await asyncio.shield(self._said[name])
        except asyncio.CancelledError:
            self.given_up.append(name)
            raise


def lookup(within_s: float = 60.0) -> Lookup:
    return Lookup(id="5f1c", deadline=time.time() + within_s, operation="op", identity=WHO)


async def resolved(
    funds: Funds,
    *,
    hedge_after_s: float = AN_HOUR_S,
    grace_s: float = 0.01,
    hint: str = "",
    question: Lookup | None = None,
) -> Resolution:
    timing = HedgeTiming(after_s=hedge_after_s, grace_s=grace_s)
    async with asyncio.timeout(TEST_TIMEOUT_S):
        return await resolve(funds, question or lookup(), NOW, REGIMES, timing, hint)


async def test_the_likelier_fund_is_asked_alone_and_is_enough() -> None:
    funds = Funds(cnaf=FOUND["cnaf"])
    resolution = await resolved(funds)
    assert (resolution.decision.reply, resolution.source, resolution.learned_provider) == (
        FOUND["cnaf"],
        "first",
        "cnaf",
    )
    assert list(funds.asked) == ["cnaf"]


@pytest.mark.parametrize("said", [ABSENT, *map(Rejected, (UNIDENTIFIED, REFUSED, PERIOD_REFUSED)), DOWN])
async def test_the_other_is_asked_as_soon_as_the_first_has_not_found(said: Reply) -> None:
    funds = Funds(cnaf=said, msa=FOUND["msa"])
    resolution = await resolved(funds, hedge_after_s=AN_HOUR_S)
    assert (resolution.decision.provider, resolution.source, resolution.learned_provider) == ("msa", "second", "msa")


async def test_the_other_is_asked_after_a_while_of_silence() -> None:
    funds = Funds(msa=FOUND["msa"])
    resolution = await resolved(funds, hedge_after_s=0.01)
    assert resolution.decision.provider == "msa"
    await until(lambda: funds.given_up == ["cnaf"])


async def test_silence_shorter_than_that_asks_nobody_else() -> None:
    funds = Funds()
    resolution = asyncio.create_task(resolved(funds, hedge_after_s=AN_HOUR_S))
    await funds.heard("cnaf")
    funds.say("cnaf", FOUND["cnaf"])
    await resolution
    assert list(funds.asked) == ["cnaf"]


async def test_a_fund_that_is_late_may_still_find() -> None:
    funds = Funds(msa=ABSENT)
    resolution = asyncio.create_task(resolved(funds, hedge_after_s=0.01))
    await funds.heard("msa")
    funds.say("cnaf", FOUND["cnaf"])
    assert (await resolution).decision.provider == "cnaf"


async def test_a_fund_that_has_not_found_waits_for_the_other() -> None:
    """docs/reference/upstreams/regime.md §5 rule 7: nobody is given up before the other has answered conclusively."""
    funds = Funds(cnaf=ABSENT)
    resolution = asyncio.create_task(resolved(funds))
    await funds.heard("msa")
    funds.say("msa", FOUND["msa"])
    assert ((await resolution).decision.provider, funds.given_up) == ("msa", [])


async def test_without_patience_both_are_asked_at_once() -> None:
    funds = Funds()
    resolution = asyncio.create_task(resolved(funds, hedge_after_s=0.0))
    await funds.heard("cnaf")
    await funds.heard("msa")
    funds.say("msa", ABSENT)
    funds.say("cnaf", ABSENT)
    assert (await resolution).decision.reply == ABSENT


async def test_a_find_waits_for_its_fellow_so_long_as_its_grace_lasts() -> None:
    funds = Funds(msa=FOUND["msa"])
    resolution = asyncio.create_task(resolved(funds, hedge_after_s=0.0, grace_s=AN_HOUR_S))
    await funds.heard("msa")
    funds.say("cnaf", FOUND["cnaf"])
    decision = (await resolution).decision
    assert (decision.anomaly, decision.provider) == (Anomaly.DOUBLE_RATTACHEMENT, "msa")


async def test_a_find_does_not_wait_longer_than_its_grace() -> None:
    funds = Funds(msa=FOUND["msa"])
    resolution = await resolved(funds, hedge_after_s=0.0, grace_s=0.01)
    assert resolution.decision.provider == "msa"
    await until(lambda: funds.given_up == ["cnaf"])


async def test_two_finds_teach_nothing() -> None:
    funds = Funds(msa=FOUND["msa"])
    resolution = asyncio.create_task(resolved(funds, hedge_after_s=0.0, grace_s=AN_HOUR_S))
    await funds.heard("msa")
    funds.say("cnaf", FOUND["cnaf"])
    assert ((await resolution).source, (await resolution).learned_provider) == ("both", "")


@pytest.mark.parametrize("hedge_after_s", [0.0, AN_HOUR_S])
async def test_both_funds_have_all_of_the_time(hedge_after_s: float) -> None:
    funds, question = Funds(cnaf=ABSENT, msa=ABSENT), lookup()
    await resolved(funds, hedge_after_s=hedge_after_s, question=question)
    assert {asked.deadline for asked in funds.asked.values()} == {question.deadline}


async def test_both_are_asked_the_same() -> None:
    funds = Funds(cnaf=ABSENT, msa=ABSENT)
    await resolved(funds)
    assert funds.asked["cnaf"] == funds.asked["msa"]


async def test_a_caller_who_goes_away_gives_up_both() -> None:
    funds = Funds()
    resolution = asyncio.create_task(resolved(funds, hedge_after_s=0.0))
    await funds.heard("msa")
    resolution.cancel()
    await until(lambda: sorted(funds.given_up) == ["cnaf", "msa"])


async def test_a_hint_is_asked_first_and_is_enough() -> None:
    funds = Funds(msa=FOUND["msa"])
    resolution = await resolved(funds, hint="msa")
    assert (list(funds.asked), resolution.source, resolution.forget_hint) == (["msa"], "hint", False)


async def test_a_wrong_hint_is_unlearnt_and_the_other_learnt() -> None:
    resolution = await resolved(Funds(msa=ABSENT, cnaf=FOUND["cnaf"]), hint="msa")
    assert (resolution.decision.provider, resolution.source, resolution.learned_provider, resolution.forget_hint) == (
        "cnaf",
        "second",
        "cnaf",
        True,
    )


@pytest.mark.parametrize("said", [*map(Rejected, (UNIDENTIFIED, REFUSED, PERIOD_REFUSED))])
async def test_a_refusal_at_the_hinted_fund_concludes_nothing(said: Reply) -> None:
    resolution = await resolved(Funds(msa=said, cnaf=FOUND["cnaf"]), hint="msa")
    assert (resolution.decision.provider, resolution.learned_provider, resolution.forget_hint) == ("cnaf", "cnaf", True)
    resolution = await resolved(Funds(msa=said, cnaf=DOWN), hint="msa")
    assert (resolution.decision.reply, resolution.decision.authority, resolution.learned_provider) == (DOWN, CNAF, "")


async def test_a_wrong_hint_is_unlearnt_even_if_nobody_found() -> None:
    resolution = await resolved(Funds(msa=ABSENT, cnaf=ABSENT), hint="msa")
    assert (resolution.decision.authority, resolution.learned_provider, resolution.forget_hint) == (
        BOTH_FUNDS,
        "",
        True,
    )


async def test_trouble_at_the_hinted_fund_unlearns_nothing() -> None:
    resolution = await resolved(Funds(msa=DOWN, cnaf=ABSENT), hint="msa")
    assert (resolution.decision.authority, resolution.forget_hint) == (MSA, False)


async def test_an_absence_teaches_nothing() -> None:
    resolution = await resolved(Funds(cnaf=ABSENT, msa=ABSENT))
    assert (resolution.learned_provider, resolution.forget_hint, resolution.source) == ("", False, "both")


async def test_trouble_is_told_in_the_name_of_the_fund_that_has_it() -> None:
    assert (await resolved(Funds(cnaf=DOWN, msa=ABSENT))).decision.authority == CNAF
