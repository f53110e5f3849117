"""Report of a chaos or soak run, and the text that it prints."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, field

from tests.chaos.invariants import Invariant, ResourceUsage, Violation
from tests.chaos.load import LoadResult
from tests.chaos.schedule import Episode

SHOWN = 20
QUANTILES = (0.5, 0.95, 0.99, 1.0)


class EpisodeResult(Struct, frozen=True):
    """Result of an episode of faults that began at `at_s`. `healed_s` is the number of seconds from the end of the
    faults until the mesh had recovered, or None if that took too long."""

    at_s: float
    episode: Episode
    healed_s: float | None
    whole_s: float | None = None
    """Seconds from the injection of the fault until the mesh worked again although the fault still lasted. Infinite if
    that took too long; None if it was not checked."""

    @property
    def is_late(self) -> bool:
        """Whether the mesh worked again later than the goal of the fault."""
        goal_s = self.episode.whole_within_s
        return self.whole_s is not None and goal_s is not None and self.whole_s > goal_s

    def __str__(self) -> str:
        healed = "NOT HEALED" if self.healed_s is None else f"healed in {self.healed_s:.1f} s"
        whole = "" if self.whole_s is None else f"whole again after {self.whole_s:.1f} s, "
        return f"{self.at_s:6.1f} s  {self.episode}: {whole}{healed}"


class Report(Struct):
    repeat: str
    began: float = 0.0
    """Start of the episodes, by the machine's monotonic clock."""
    seconds: float = 0.0
    loads: list[LoadResult] = []
    """Results of all loads in order: first those that warm the mesh up, last the load of the measured period."""
    episodes: list[EpisodeResult] = []
    broken: list[Violation] = []
    """Violations found by health checks, or in processes, queues and the access journal. `loads` contains the
    violations found in the answers to load calls."""
    load: float = 0.0
    """Load average of the machine in the last minute of the run."""
    before: Mapping[str, ResourceUsage] = field(default_factory=dict)
    after: Mapping[str, ResourceUsage] = field(default_factory=dict)
    records: int = 0

    @property
    def counts(self) -> Counter[Invariant]:
        counted = Counter(broken.invariant for broken in self.broken)
        return sum((result.broken for result in self.loads), counted)

    @property
    def missed_goals(self) -> int:
        """Number of episodes in which the mesh did not work again within the goal `Episode.whole_within_s` while the
        fault lasted."""
        return sum(result.is_late for result in self.episodes)

    @property
    def is_good(self) -> bool:
        return not self.counts

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(report: Report) -> Iterator[str]:
    result = report.loads[-1]
    pace = result.asked / report.seconds
    yield f"{result.asked} calls in {report.seconds:.0f} s, {pace:.0f} a second; the same again: {report.repeat}"
    yield from _faults(report)
    yield f"  {report.missed_goals} times whole again later than the goal; load average {report.load:.1f}"
    yield "Calls by answer"
    yield from _table((f"{count}", said) for said, count in result.answered.most_common())
    yield f"  {len(result.failed_at)} calls without the right answer, about people of whom there is one"
    yield f"  {result.moved} attempts moved on to the other gateway; {report.records} records in the access journal"
    yield "Seconds, p50 p95 p99 and most: " + "  ".join(f"{result.quantile_s(share):.3f}" for share in QUANTILES)
    yield "Processes: MB, descriptors, tasks, before and after"
    yield from _table(_resource_usage(report.before, report.after))
    yield "Invariants, and how often each was broken"
    yield from _table((f"{report.counts[invariant]}", invariant.value) for invariant in Invariant)
    shown = report.broken + [broken for result in report.loads for broken in result.shown]
    yield from (f"BROKEN {broken.invariant.name}: {broken.story}" for broken in shown[:SHOWN])


def _faults(report: Report) -> Iterator[str]:
    if not report.episodes:
        return
    by_fault: dict[str, list[tuple[EpisodeResult, int]]] = {}
    for one, failed in zip(report.episodes, failed_calls(report), strict=True):
        for strike in one.episode.injections:
            by_fault.setdefault(strike.fault, []).append((one, failed))
    yield f"{sum(map(len, by_fault.values()))} faults, by kind: times, the longest healing after it and while it lasts,"
    yield "and the most calls that failed from the beginning of one until the beginning of the next"
    yield from _table(
        (
            f"{len(cases)}",
            fault,
            _longest(one.healed_s for one, _ in cases),
            _longest_whole(one for one, _ in cases),
            f"{max(failed for _, failed in cases)} failed",
        )
        for fault, cases in sorted(by_fault.items())
    )


def failed_calls(report: Report) -> list[int]:
    """Returns for each episode the number of calls that failed from its beginning until the next one's."""
    starts = [report.began + one.at_s for one in report.episodes]
    failed_at = report.loads[-1].failed_at
    return [
        sum(start <= at < end for at in failed_at) for start, end in zip(starts, [*starts[1:], math.inf], strict=True)
    ]


def _longest_whole(survived: Iterable[EpisodeResult]) -> str:
    known = [one.whole_s for one in survived if one.whole_s is not None]
    return f"{max(known):.1f} s" if known else ""


def _longest(times: Iterable[float | None]) -> str:
    known = [-1.0 if seconds is None else seconds for seconds in times]
    return "not healed" if -1.0 in known else f"{max(known):.1f} s"


def _resource_usage(
    before: Mapping[str, ResourceUsage], after: Mapping[str, ResourceUsage]
) -> Iterator[tuple[str, ...]]:
    for name, now in after.items():
        had = before[name]
        yield (
            name,
            f"{had.memory_mb:.1f} {now.memory_mb:.1f} ({now.memory_mb / had.memory_mb - 1:+.1%})",
            f"{had.descriptors} {now.descriptors}",
            f"{had.tasks} {now.tasks}",
        )


def _table(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    listed = list(rows)
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    for row in listed:
        yield "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
