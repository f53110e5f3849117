"""The arithmetic of docs/capacity.md."""

from __future__ import annotations

import random
from collections import OrderedDict

import pytest

from bench.capacity import plan
from bench.capacity.plan import alike, known_share, machines, read_costs, unevenly

FOR_EVER = 1e12


def test_the_page_has_the_tables_that_the_costs_make() -> None:
    text = plan.PAGE.read_text()
    assert plan.page(text, read_costs()) == text


def test_ten_times_the_calls_are_ten_times_the_disk() -> None:
    costs, name = read_costs(), "records in a month"
    one, ten = (float(machines(costs, rate)[name].split()[0]) for rate in (1_000, 10_000))
    assert ten == pytest.approx(10 * one, rel=0.02)


@pytest.mark.parametrize("tokens", [50, 1_000, 30_000])
def test_every_call_has_a_token(tokens: int) -> None:
    spread = unevenly(tokens)
    assert sum(count for _, count in spread) == tokens
    assert sum(share * count for share, count in spread) == pytest.approx(1)


def test_tokens_that_all_have_room_are_asked_for_when_they_are_refreshed_alone() -> None:
    assert known_share(alike(100), rate=1.0, kept=100, refresh_s=900.0) == pytest.approx(9 / 10)
    assert known_share(alike(100), rate=1.0, kept=100, refresh_s=FOR_EVER) == pytest.approx(1)


def test_what_is_remembered_is_what_a_gateway_of_so_many_tokens_would() -> None:
    tokens, kept, calls = 2_000, 200, 60_000
    places = [1 / place for place in range(1, tokens + 1)]
    known: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for token in random.Random(1).choices(range(tokens), places, k=calls):
        hits += token in known
        known[token] = None
        known.move_to_end(token)
        if len(known) > kept:
            known.popitem(last=False)
    computed = known_share(unevenly(tokens), rate=100.0, kept=kept, refresh_s=FOR_EVER)
    assert computed == pytest.approx(hits / calls, abs=0.03)
