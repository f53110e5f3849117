"""How many calls find their token remembered, by how often each one comes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

GROUPED = 1.02

Spread: TypeAlias = list[tuple[float, int]]
"""Which share of the calls each of so many tokens has."""


class Remembered(Struct, frozen=True):
    """Shares of all calls."""

    known: float
    """Of those that cost no question."""
    waiting: float
    """Of those that wait for one."""


def remembered(spread: Spread, rate: float, kept: int, refresh_s: float) -> Remembered:
    """In a gateway that gets `rate` calls a second.

    A token is forgotten when `kept` others came since its last use (Che's approximation); it is asked for again so long
    after it was asked for, and nobody waits if that is less than twice so long ago. What happens more often decides.
    """
    lasting_s = _lasting_s(spread, rate, kept)

    def asks(each: float) -> tuple[float, float]:
        forgotten, renewed = math.exp(-each * lasting_s), 1 / (1 + each * refresh_s)
        return max(forgotten, renewed), max(forgotten, renewed * math.exp(-each * refresh_s))

    asked, waiting = (
        _sum(spread, lambda share: asks(rate * share)[0]),
        _sum(spread, lambda share: asks(rate * share)[1]),
    )
    return Remembered(known=1 - asked, waiting=waiting)


def _sum(spread: Spread, of: Callable[[float], float]) -> float:
    return sum(tokens * share * of(share) for share, tokens in spread)


def _lasting_s(spread: Spread, rate: float, kept: int) -> float:
    """How long until so many different tokens have come."""
    if sum(tokens for _, tokens in spread) <= kept:
        return math.inf
    low, high = 0.0, 1e9
    for _ in range(60):
        middle = (low + high) / 2
        came = sum(tokens * (1 - math.exp(-rate * share * middle)) for share, tokens in spread)
        low, high = (middle, high) if came < kept else (low, middle)
    return high


def alike(tokens: int) -> Spread:
    return [(1 / tokens, tokens)]


def unevenly(tokens: int) -> Spread:
    """By Zipf's law: the one in place n is used 1/n as often as the first. Neighbours are taken together."""
    groups, place = [], 1
    while place <= tokens:
        end = min(tokens, max(place, int(place * GROUPED)))
        groups.append((2 / (place + end), end - place + 1))
        place = end + 1
    whole = sum(share * count for share, count in groups)
    return [(share / whole, count) for share, count in groups]
