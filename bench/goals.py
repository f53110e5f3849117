"""The benchmark's goals, and the verdict of a run on each of them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from bench.contenders import OVERLOADED
from bench.lookup import DOSSIER_PARTS
from bench.mesh import FEW_PLACES
from bench.windows import Spread, Window, pairs, ratios, spread, trusted

Verdict: TypeAlias = Literal["aim", "reach", "short", "not measurable"]

LOADED = 64
"""Number of concurrent requests at which the goals for throughput are checked."""
ALONE = 1
ON_THE_WAY = ("gateway", "worker", "broker")
"""Roles whose CPU counts in the goal for CPU per 1000 lookups."""
# The registry is left out because it writes the journal after a lookup; the table of windows shows its CPU.
NEEDED_ROUNDS = 2
"""Number of rounds that a verdict needs. A round counts only if other processes used little CPU."""

EXIT_STATUS: dict[Verdict, int] = {"aim": 0, "reach": 0, "short": 1, "not measurable": 3}


class Measured(Struct, frozen=True, kw_only=True):
    windows: list[Window] = []
    worker_mb: list[float] = []
    gateway_mb: list[float] = []
    cold_start_s: list[float] = []
    portal_p95_ms: list[float] = []
    peak_mb: dict[str, dict[str, float]] = {}
    """Peak memory in MB by contender (measured system), then by role, such as `gateway`."""
    calibrations_ms: list[float] = []
    """Milliseconds that a fixed computation took in each round. They show the machine's speed."""


class Goal(Struct, frozen=True, kw_only=True):
    """Goal for one figure, with two bounds: `reach`, which the figure must meet, and `aim`, a better value to strive
    for."""

    figure: str
    reach: float
    aim: float
    at_least: bool
    """Whether the bounds are minima, as for throughput. If not, they are maxima, as for latency."""
    values: Callable[[Measured], Sequence[float]]
    by_rounds: bool = True
    """Whether every round measures the figure anew. If so, a verdict needs values from several rounds; if not, the
    figure is measured once, and one value is enough."""


class Result(Struct, frozen=True, kw_only=True):
    """Outcome of a goal: the figure that the run reached, and its verdict, such as `reach`."""

    figure: str
    reach: float
    aim: float
    at_least: bool
    reached: Spread | None
    verdict: Verdict


def judge(goal: Goal, measured: Measured, *, needs: int = NEEDED_ROUNDS) -> Result:
    """Returns the verdict on a goal. A goal with `by_rounds` is `not measurable` unless at least `needs` rounds have
    given a value."""
    reached = spread(goal.values(measured))
    return Result(
        figure=goal.figure,
        reach=goal.reach,
        aim=goal.aim,
        at_least=goal.at_least,
        reached=reached,
        verdict=_verdict(goal, reached, needs if goal.by_rounds else 1),
    )


def _verdict(goal: Goal, reached: Spread | None, needs: int) -> Verdict:
    if reached is None or reached.rounds < needs:
        return "not measurable"
    meets = operator.ge if goal.at_least else operator.le
    if meets(reached.median, goal.aim):
        return "aim"
    return "reach" if meets(reached.median, goal.reach) else "short"


def exit_status(results: Iterable[Result]) -> int:
    """Returns the exit status of a run: 1 if a figure falls short, 3 if none does but some could not be measured, else
    0."""
    statuses = {EXIT_STATUS[result.verdict] for result in results}
    return 1 if 1 in statuses else max(statuses, default=0)


def _over(other: str, one: str = "bouquet") -> Callable[[Measured], Sequence[float]]:
    return lambda measured: ratios(measured.windows, one, other, LOADED)


def _cpu(measured: Measured) -> list[float]:
    windows = trusted(measured.windows, "bouquet", LOADED)
    return [sum(window.cpu_per_1000[role] for role in ON_THE_WAY) for window in windows if window.requests]


def _added_p50_ms(measured: Measured) -> list[float]:
    return [a.p50_ms - b.p50_ms for a, b in pairs(measured.windows, "bouquet", "proxy", ALONE)]


def _dossier_cpu(measured: Measured) -> list[float]:
    """Returns, for each round, the gateway's CPU for one dossier over its CPU for as many single calls as the dossier
    has parts."""
    both = pairs(measured.windows, "bouquet dossiers", "bouquet", ALONE)
    return [
        whole.cpu_per_1000["gateway"] / (DOSSIER_PARTS * single.cpu_per_1000["gateway"])
        for whole, single in both
        if whole.requests and single.requests
    ]


def _dossier_added_p50_ms(measured: Measured) -> list[float]:
    return [a.p50_ms - b.p50_ms for a, b in pairs(measured.windows, "bouquet dossiers", "bouquet", ALONE)]


def _kept_in_overload(measured: Measured) -> list[float]:
    """Returns one ratio for each round: the throughput of a gateway that gets four times as many concurrent requests as
    it accepts, divided by its throughput when it gets exactly as many as it accepts."""
    at_its_places = {window.round: window for window in trusted(measured.windows, "bouquet full", FEW_PLACES)}
    overloaded = trusted(measured.windows, "bouquet full", OVERLOADED)
    pairs = [(window, at_its_places[window.round]) for window in overloaded if window.round in at_its_places]
    return [over.per_s / full.per_s for over, full in pairs if full.requests]


GOALS = (
    Goal(figure="lookups/s over raw aiormq, c=64", reach=0.60, aim=0.90, at_least=True, values=_over("aiormq")),
    Goal(figure="over FastStream, reply queue", reach=4, aim=8, at_least=True, values=_over("faststream queue")),
    Goal(figure="over nameko", reach=4, aim=8, at_least=True, values=_over("nameko")),
    Goal(figure="gateway + worker + broker, CPU s per 1000", reach=1.0, aim=0.55, at_least=False, values=_cpu),
    Goal(figure="added p50 over the proxy, c=1, ms", reach=1.2, aim=0.8, at_least=False, values=_added_p50_ms),
    Goal(
        figure="gateway CPU of a dossier of five over five calls",
        reach=0.85,
        aim=0.55,
        at_least=False,
        values=_dossier_cpu,
    ),
    Goal(
        figure="added p50 of a dossier of five over one call, c=1, ms",
        reach=4,
        aim=2,
        at_least=False,
        values=_dossier_added_p50_ms,
    ),
    Goal(
        figure="cache hits/s over aiohttp's hello",
        reach=0.5,
        aim=0.7,
        at_least=True,
        values=_over("hello", "bouquet cached"),
    ),
    Goal(
        figure="answers/s kept with four times as many callers as places",
        reach=0.8,
        aim=0.9,
        at_least=True,
        values=_kept_in_overload,
        by_rounds=False,
    ),
    Goal(figure="idle worker, MB", reach=60, aim=45, at_least=False, values=lambda m: m.worker_mb, by_rounds=False),
    Goal(figure="idle gateway, MB", reach=80, aim=60, at_least=False, values=lambda m: m.gateway_mb, by_rounds=False),
    Goal(
        figure="demo: cold start to answer, s",
        reach=2,
        aim=1,
        at_least=False,
        values=lambda m: m.cold_start_s,
        by_rounds=False,
    ),
    Goal(
        figure="portal: p95 at 20 requests/s on one core, ms",
        reach=100,
        aim=50,
        at_least=False,
        values=lambda m: m.portal_p95_ms,
        by_rounds=False,
    ),
)
"""Goals of docs/performance.md (*Figures*), in the order of its rows."""
