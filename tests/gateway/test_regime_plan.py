"""Who is asked when, on the plan alone: the funds are functions that answer when they are told to."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

import pytest

from bouquet_gateway.lookup.regime import Anomaly
from bouquet_gateway.lookup.regime_plan import Patience, Ruling, Strategy, rule
from bouquet_proto.messages import Failed, Lookup, NotFound, Rejected, Reply
from bouquet_proto.quotient_familial import BOTH_FUNDS, CNAF, MSA, NO_FILE, REGIMES, UNIDENTIFIED
from tests.gateway.test_regime import NOW, WHO, file_of
from tests.mesh.buses import until

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
        async with asyncio.timeout(5):
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


async def ruled(
    funds: Funds,
    *,
    strategy: Strategy = "hedged",
    hedge_after_s: float = AN_HOUR_S,
    grace_s: float = 0.01,
    hint: str = "",
) -> Ruling:
    patience = Patience(strategy=strategy, hedge_after_s=hedge_after_s, grace_s=grace_s)
    async with asyncio.timeout(5):
        return await rule(funds, lookup(), NOW, REGIMES, patience, hint)


async def test_the_likelier_fund_is_asked_alone_and_is_enough() -> None:
    funds = Funds(cnaf=FOUND["cnaf"])
    ruling = await ruled(funds)
    assert (ruling.verdict.reply, ruling.source, ruling.learnt) == (FOUND["cnaf"], "first", "cnaf")
    assert list(funds.asked) == ["cnaf"]


@pytest.mark.parametrize("said", [ABSENT, Rejected(UNIDENTIFIED), Rejected("00366"), DOWN])
async def test_the_other_is_asked_as_soon_as_the_first_has_not_found(said: Reply) -> None:
    funds = Funds(cnaf=said, msa=FOUND["msa"])
    ruling = await ruled(funds, hedge_after_s=AN_HOUR_S)
    assert (ruling.verdict.provider, ruling.source, ruling.learnt) == ("msa", "second", "msa")


async def test_the_other_is_asked_after_a_while_of_silence() -> None:
    funds = Funds(msa=FOUND["msa"])
    ruling = await ruled(funds, hedge_after_s=0.01)
    assert ruling.verdict.provider == "msa"
    await until(lambda: funds.given_up == ["cnaf"])


async def test_silence_shorter_than_that_asks_nobody_else() -> None:
    funds = Funds()
    ruling = asyncio.create_task(ruled(funds, hedge_after_s=AN_HOUR_S))
    await funds.heard("cnaf")
    funds.say("cnaf", FOUND["cnaf"])
    await ruling
    assert list(funds.asked) == ["cnaf"]


async def test_a_fund_that_is_late_may_still_find() -> None:
    funds = Funds(msa=ABSENT)
    ruling = asyncio.create_task(ruled(funds, hedge_after_s=0.01))
    await funds.heard("msa")
    funds.say("cnaf", FOUND["cnaf"])
    assert (await ruling).verdict.provider == "cnaf"


async def test_a_fund_that_has_not_found_waits_for_the_other() -> None:
    """§6.5 rule 7: nobody is given up before the other has answered conclusively."""
    funds = Funds(cnaf=ABSENT)
    ruling = asyncio.create_task(ruled(funds))
    await funds.heard("msa")
    funds.say("msa", FOUND["msa"])
    assert ((await ruling).verdict.provider, funds.given_up) == ("msa", [])


async def test_both_are_asked_at_once_in_parallel() -> None:
    funds = Funds()
    ruling = asyncio.create_task(ruled(funds, strategy="parallel"))
    await funds.heard("cnaf")
    await funds.heard("msa")
    funds.say("msa", ABSENT)
    funds.say("cnaf", ABSENT)
    assert (await ruling).verdict.reply == ABSENT


async def test_a_find_waits_for_its_fellow_so_long_as_its_grace_lasts() -> None:
    funds = Funds(msa=FOUND["msa"])
    ruling = asyncio.create_task(ruled(funds, strategy="parallel", grace_s=AN_HOUR_S))
    await funds.heard("msa")
    funds.say("cnaf", FOUND["cnaf"])
    verdict = (await ruling).verdict
    assert (verdict.anomaly, verdict.provider) == (Anomaly.DOUBLE_RATTACHEMENT, "msa")


async def test_a_find_does_not_wait_longer_than_its_grace() -> None:
    funds = Funds(msa=FOUND["msa"])
    ruling = await ruled(funds, strategy="parallel", grace_s=0.01)
    assert ruling.verdict.provider == "msa"
    await until(lambda: funds.given_up == ["cnaf"])


async def test_two_finds_teach_nothing() -> None:
    funds = Funds(msa=FOUND["msa"])
    ruling = asyncio.create_task(ruled(funds, strategy="parallel", grace_s=AN_HOUR_S))
    await funds.heard("msa")
    funds.say("cnaf", FOUND["cnaf"])
    assert ((await ruling).source, (await ruling).learnt) == ("both", "")


async def test_sequential_gives_the_first_its_share_of_the_time_and_the_other_the_rest() -> None:
    funds = Funds(cnaf=DOWN, msa=FOUND["msa"])
    await ruled(funds, strategy="sequential")
    shares = [funds.asked[name].deadline - time.time() for name in ("cnaf", "msa")]
    assert shares == pytest.approx([33.0, 60.0], abs=1)


@pytest.mark.parametrize("strategy", ["hedged", "parallel"])
async def test_otherwise_both_have_all_of_the_time(strategy: Literal["hedged", "parallel"]) -> None:
    funds = Funds(cnaf=ABSENT, msa=ABSENT)
    await ruled(funds, strategy=strategy)
    assert [funds.asked[name].deadline - time.time() for name in ("cnaf", "msa")] == pytest.approx([60, 60], abs=1)


async def test_both_are_asked_the_same() -> None:
    funds = Funds(cnaf=ABSENT, msa=ABSENT)
    await ruled(funds)
    assert funds.asked["cnaf"] == funds.asked["msa"]


async def test_a_caller_who_goes_away_gives_up_both() -> None:
    funds = Funds()
    ruling = asyncio.create_task(ruled(funds, strategy="parallel"))
    await funds.heard("msa")
    ruling.cancel()
    await until(lambda: sorted(funds.given_up) == ["cnaf", "msa"])


async def test_a_hint_is_asked_first_and_is_enough() -> None:
    funds = Funds(msa=FOUND["msa"])
    ruling = await ruled(funds, hint="msa")
    assert (list(funds.asked), ruling.source, ruling.unlearn) == (["msa"], "hint", False)


async def test_a_wrong_hint_is_unlearnt_and_the_other_learnt() -> None:
    ruling = await ruled(Funds(msa=ABSENT, cnaf=FOUND["cnaf"]), hint="msa")
    assert (ruling.verdict.provider, ruling.source, ruling.learnt, ruling.unlearn) == ("cnaf", "second", "cnaf", True)


async def test_a_wrong_hint_is_unlearnt_even_if_nobody_found() -> None:
    ruling = await ruled(Funds(msa=ABSENT, cnaf=ABSENT), hint="msa")
    assert (ruling.verdict.authority, ruling.learnt, ruling.unlearn) == (BOTH_FUNDS, "", True)


async def test_trouble_at_the_hinted_fund_unlearns_nothing() -> None:
    ruling = await ruled(Funds(msa=DOWN, cnaf=ABSENT), hint="msa")
    assert (ruling.verdict.authority, ruling.unlearn) == (MSA, False)


async def test_an_absence_teaches_nothing() -> None:
    ruling = await ruled(Funds(cnaf=ABSENT, msa=ABSENT))
    assert (ruling.learnt, ruling.unlearn, ruling.source) == ("", False, "both")


async def test_trouble_is_told_in_the_name_of_the_fund_that_has_it() -> None:
    assert (await ruled(Funds(cnaf=DOWN, msa=ABSENT))).verdict.authority == CNAF
