"""Tests of two callers who ask the same question at the same time. The provider is asked once, and a refusal meant for
one caller does not reach the other."""

from __future__ import annotations

import asyncio
import time
from datetime import date

import pytest
from msgspec import structs

from bouquet_cnaf.worker import worker as cnaf
from bouquet_gateway.lookup.answer_cache import AnswerCache
from bouquet_gateway.lookup.ask import Providers
from bouquet_gateway.lookup.regime_hints import RegimeHints
from bouquet_gateway.lookup.regime_plan import HedgeTiming
from bouquet_gateway.offers.catalogue import Catalogue, ServedOperation
from bouquet_gateway.stores.cache_memory import MemoryCache
from bouquet_mesh.secret import Secret
from bouquet_msa.worker import worker as msa
from bouquet_proto.messages import Caller, Failed, Lookup, NotFound, Reply, Request
from bouquet_proto.quotient_familial import NO_FILE
from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH
from tests.support.quotient_replies import WHO, file_of
from tests.support.waiting import TEST_TIMEOUT_S, until

BUSY = Failed("provider_busy")
KEY = Secret("the key of the tests that seals what is cached")
[QUOTIENT] = Catalogue([cnaf.offer(), msa.offer()]).by_path[QUOTIENT_FAMILIAL_PATH]
FOUND = file_of("CNAF")
TODAY = date(2026, 4, 15)


class ScriptedProviders:
    """Scripted CAF and MSA. The CAF knows the person but refuses the caller `greedy`. The MSA does not know the person,
    and replies only once `open` is set."""

    # Questions of the caller `later` wait until `slow` is set.

    ready = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = asyncio.Event()
        self.slow = asyncio.Event()

    async def call(self, provider: str, request: Request) -> Reply:
        assert isinstance(request, Lookup)
        self.asked.append(f"{provider} {request.caller.mark}")
        if request.caller.mark == "later":
            await self.slow.wait()
        if provider == "cnaf":
            return BUSY if request.caller.mark == "greedy" else FOUND
        await self.open.wait()
        return NotFound(NO_FILE)


@pytest.fixture
def funds() -> ScriptedProviders:
    return ScriptedProviders()


@pytest.fixture
def outcomes() -> list[tuple[str, bool | None]]:
    return []


@pytest.fixture
def providers(funds: ScriptedProviders, outcomes: list[tuple[str, bool | None]]) -> Providers:
    cache = MemoryCache(max_items=100, max_bytes=1_000_000)
    timing = HedgeTiming(after_s=TEST_TIMEOUT_S, grace_s=0)
    return Providers(
        funds, AnswerCache(cache, KEY), RegimeHints(cache, KEY), timing, lambda *ended: outcomes.append(ended)
    )


def lookup(mark: str) -> Lookup:
    asked, until_then = QUOTIENT.operation.id, time.time() + TEST_TIMEOUT_S
    return Lookup(id=mark, deadline=until_then, operation=asked, identity=WHO, caller=Caller(mark=mark))


async def ask(providers: Providers, mark: str, served: ServedOperation = QUOTIENT) -> Reply:
    return (await providers.ask(served, lookup(mark), "the same question", TODAY)).reply


async def test_a_refusal_for_lack_of_places_is_not_shared_with_other_callers(
    funds: ScriptedProviders, providers: Providers, outcomes: list[tuple[str, bool | None]]
) -> None:
    greedy = asyncio.create_task(ask(providers, "greedy"))
    await until(lambda: funds.asked == ["cnaf greedy", "msa greedy"])
    others = [asyncio.create_task(ask(providers, mark)) for mark in ("one", "other")]
    await asyncio.sleep(0)
    assert funds.asked == ["cnaf greedy", "msa greedy"], "they share the question while it is open"
    funds.open.set()
    assert await asyncio.gather(greedy, *others) == [BUSY, FOUND, FOUND]
    assert funds.asked == ["cnaf greedy", "msa greedy", "cnaf one"]
    assert [outage for _, outage in outcomes] == [None, False, False]


async def test_a_joined_question_ends_at_the_joining_caller_s_own_deadline(
    funds: ScriptedProviders, providers: Providers
) -> None:
    greedy = asyncio.create_task(ask(providers, "greedy"))
    await until(lambda: funds.asked == ["cnaf greedy", "msa greedy"])
    later = asyncio.create_task(ask(providers, "later"))
    await asyncio.sleep(0)
    hurried = structs.replace(lookup("hurried"), deadline=time.time() + 0.2)
    asking = asyncio.create_task(providers.ask(QUOTIENT, hurried, "the same question", TODAY))
    await asyncio.sleep(0)
    funds.open.set()
    assert (await asking).reply == Failed("deadline_exceeded")
    assert funds.asked == ["cnaf greedy", "msa greedy", "cnaf later"]
    assert not later.done()
    funds.slow.set()
    assert await later == FOUND
    assert await greedy == BUSY


async def test_two_callers_of_one_question_share_its_answer(funds: ScriptedProviders, providers: Providers) -> None:
    assert await asyncio.gather(*(ask(providers, mark) for mark in ("one", "other"))) == [FOUND, FOUND]
    assert funds.asked == ["cnaf one"]
