"""The goals, as a table, and what a run says of each."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from bench.windows import Spread, Window, pairs, ratios, spread, trusted

Verdict: TypeAlias = Literal["aim", "reach", "short", "not measurable"]

LOADED = 64
"""Concurrency of the goals of throughput."""
ALONE = 1
NEEDED_ROUNDS = 2
"""One trusted round may be luck."""

EXIT_STATUS: dict[Verdict, int] = {"aim": 0, "reach": 0, "short": 1, "not measurable": 3}


class Measured(Struct, frozen=True, kw_only=True):
    """All that a run has seen. Lists have one entry a trusted measure."""

    windows: Sequence[Window] = ()
    worker_mb: Sequence[float] = ()
    gateway_mb: Sequence[float] = ()
    cold_start_s: Sequence[float] = ()


class Goal(Struct, frozen=True, kw_only=True):
    figure: str
    reach: float
    aim: float
    at_least: bool
    """Whether more is better."""
    values: Callable[[Measured], Sequence[float]]
    needs: int = NEEDED_ROUNDS
    """How many values a verdict takes."""


class Result(Struct, frozen=True, kw_only=True):
    figure: str
    reach: float
    aim: float
    at_least: bool
    reached: Spread | None
    verdict: Verdict


def judge(goal: Goal, measured: Measured, *, needs: int | None = None) -> Result:
    reached = spread(goal.values(measured))
    return Result(
        figure=goal.figure,
        reach=goal.reach,
        aim=goal.aim,
        at_least=goal.at_least,
        reached=reached,
        verdict=_verdict(goal, reached, needs or goal.needs),
    )


def _verdict(goal: Goal, reached: Spread | None, needs: int) -> Verdict:
    if reached is None or reached.rounds < needs:
        return "not measurable"
    meets = operator.ge if goal.at_least else operator.le
    if meets(reached.median, goal.aim):
        return "aim"
    return "reach" if meets(reached.median, goal.reach) else "short"


def exit_status(results: Iterable[Result]) -> int:
    """1 when a figure falls short; 3 when none does, but not all could be measured; 0 when every reach holds."""
    statuses = {EXIT_STATUS[result.verdict] for result in results}
    return 1 if 1 in statuses else max(statuses, default=0)


def _over(other: str, one: str = "bouquet") -> Callable[[Measured], Sequence[float]]:
    return lambda measured: ratios(measured.windows, one, other, LOADED)


def _cpu(measured: Measured) -> list[float]:
    windows = trusted(measured.windows, "bouquet", LOADED)
    return [window.total_cpu_per_1000 for window in windows if window.requests]


def _added_p50_ms(measured: Measured) -> list[float]:
    return [a.p50_ms - b.p50_ms for a, b in pairs(measured.windows, "bouquet", "proxy", ALONE)]


GOALS = (
    Goal(figure="lookups/s over raw aiormq, c=64", reach=0.60, aim=0.90, at_least=True, values=_over("aiormq")),
    Goal(figure="over FastStream, reply queue", reach=4, aim=8, at_least=True, values=_over("faststream queue")),
    Goal(figure="over nameko", reach=4, aim=8, at_least=True, values=_over("nameko")),
    Goal(figure="CPU s per 1000 lookups", reach=1.0, aim=0.55, at_least=False, values=_cpu),
    Goal(figure="added p50 over the proxy, c=1, ms", reach=1.2, aim=0.8, at_least=False, values=_added_p50_ms),
    Goal(
        figure="cache hits/s over aiohttp's hello",
        reach=0.5,
        aim=0.7,
        at_least=True,
        values=_over("hello", "bouquet cached"),
    ),
    Goal(figure="idle worker, MB", reach=60, aim=45, at_least=False, values=lambda m: m.worker_mb, needs=1),
    Goal(figure="idle gateway, MB", reach=80, aim=60, at_least=False, values=lambda m: m.gateway_mb, needs=1),
    Goal(figure="demo: cold start to answer, s", reach=2, aim=1, at_least=False, values=lambda m: m.cold_start_s),
)
"""Of issue 6, row by row; its row of the two peers and that of the two memories are two each here."""
