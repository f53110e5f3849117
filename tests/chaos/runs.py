"""The two runs: chaos, with a schedule of faults, and soak, with none and for longer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from bouquet_registry.journal import audit
from tests.chaos.faults import inject
from tests.chaos.health import HealthChecker, health_checker
from tests.chaos.invariants import Caller, Invariant, Margins, Violation
from tests.chaos.load import LoadResult, Plan, generate_load
from tests.chaos.mesh import DEADLINE_S, ChaosMesh, chaos_mesh
from tests.chaos.report import EpisodeResult, Report
from tests.chaos.schedule import schedule
from tests.support import rabbitmq

Tell: TypeAlias = Callable[[str], object]

WARM_UP_S = 8.0
QUIET_WITHIN_S = 60.0
"""Connections that nobody uses are kept for a while."""
UNPACED = 100_000.0
CHAOS_MARGINS = Margins(memory_share=0.25, memory_mb=15.0, descriptors=12, tasks=8)
"""Processes that were started again have not lived the same life as those of the baseline."""
SOAK_MARGINS = Margins(memory_share=0.05, memory_mb=0.0, descriptors=4, tasks=4)


class RunOptions(Struct, frozen=True, kw_only=True):
    """`grace_s` and `heals_within_s` are the machine's share: it may have other work."""

    seconds: float
    seed: int = 0
    per_second: float
    """At most; for a soak, zero is half of the peak."""
    at_once: int = 64
    """Calls under way at most, so that a machine that is too slow for the pace sets another: what is to be seen is the
    mesh in trouble, and not the machine."""
    grace_s: float = 2.0
    heals_within_s: float = 30.0
    repeat: str = ""
    rabbitmq: int = 3
    """Which of the releases that the machine has."""


class Run:
    """A town that is well, its doctor, and what is found out there."""

    def __init__(
        self, order: RunOptions, there: ChaosMesh, callers: Sequence[Caller], looks: HealthChecker, tell: Tell
    ) -> None:
        self.order = order
        self.town = there
        self.doctor = looks
        self.tell = tell
        self.report = Report(order.repeat)
        self._callers = tuple(callers)

    async def peak(self) -> float:
        """Calls a second that the mesh answers here and now, to callers who wait for one answer before the next."""
        return (await self.ask(UNPACED, asyncio.sleep(WARM_UP_S))).asked / WARM_UP_S

    async def ask(self, per_second: float, during: Awaitable[None]) -> LoadResult:
        """A crowd, for as long as something else takes. No two crowds ask about the same people."""
        tales = self.report.loads
        plan = Plan(
            ports=self.town.ports,
            callers=self._callers,
            rules=self.doctor.rules,
            seed=self.order.seed,
            first_person=sum(tale.asked for tale in tales),
            per_second=per_second,
            at_once=self.order.at_once,
        )
        async with generate_load(plan) as crowd:
            await during
            tales.append(await crowd.result())
        return tales[-1]


async def chaos(folder: Path, order: RunOptions, tell: Tell) -> Report:
    async with _opened(folder, order, tell) as run:
        await run.ask(order.per_second, asyncio.sleep(WARM_UP_S))
        await asyncio.to_thread(run.town.broker.settle)
        async with _compared(run, CHAOS_MARGINS):
            await run.ask(order.per_second, _break(run))
    return run.report


async def soak(folder: Path, order: RunOptions, tell: Tell) -> Report:
    """At `order.per_second`, or half of what the mesh was seen to do in its first seconds."""
    async with _opened(folder, order, tell) as run:
        peak = await run.peak()
        per_second = order.per_second or peak / 2
        tell(f"peak {peak:.0f} a second; {per_second:.0f} a second from now on")
        warm_up_s = max(WARM_UP_S, order.seconds / 5)
        await run.ask(per_second, asyncio.sleep(warm_up_s))
        async with _compared(run, SOAK_MARGINS):
            await run.ask(per_second, asyncio.sleep(order.seconds - warm_up_s))
    return run.report


@asynccontextmanager
async def _opened(folder: Path, order: RunOptions, tell: Tell) -> AsyncIterator[Run]:
    async with chaos_mesh(folder, rabbitmq.RELEASES[order.rabbitmq]) as there:
        callers = await there.callers()
        async with health_checker(there, callers[0], DEADLINE_S + order.grace_s) as looks:
            if await looks.healed(order.heals_within_s) is None:
                raise TimeoutError("the mesh was not well before anything was done to it")
            yield Run(order, there, callers, looks, tell)


@asynccontextmanager
async def _compared(run: Run, margins: Margins) -> AsyncIterator[None]:
    """What every process holds before and after, while nobody asks; and whether the journal has all."""
    report, looks = run.report, run.doctor
    await looks.quiet(QUIET_WITHIN_S)
    report.before, queues = await looks.vitals(), await run.town.queues()
    began = time.monotonic()
    yield
    report.seconds = time.monotonic() - began
    left, report.after = await looks.recovered(report.before, queues, margins, QUIET_WITHIN_S)
    report.broken += [*left, *looks.broken, *await _unrecorded(run)]


async def _break(run: Run) -> None:
    """The schedule, an episode once the one before has healed."""
    began = time.monotonic()
    for episode in schedule(run.order.seed, run.order.seconds):
        await asyncio.sleep(max(0.0, began + episode.at_s - time.monotonic()))
        if (at_s := time.monotonic() - began) > run.order.seconds:
            break
        async with asyncio.TaskGroup() as striking:
            for one in episode.injections:
                striking.create_task(inject(run.town, one))
        survived = EpisodeResult(at_s, episode, await run.doctor.healed(run.order.heals_within_s))
        run.report.episodes.append(survived)
        run.tell(str(survived))
        if survived.healed_s is None:
            run.report.broken.append(Violation(Invariant.HEALED, str(survived)))


async def _unrecorded(run: Run) -> list[Violation]:
    """Each answer that gave data or an absence has its one record; and there is none that nobody asked for."""
    asked = sum(tale.asked + tale.moved for tale in run.report.loads) + run.doctor.asked
    calls = [call for tale in run.report.loads for call in tale.calls]
    until = time.monotonic() + QUIET_WITHIN_S
    try:
        while True:
            records, times = await run.town.count_records(), await run.town.record_counts()
            amiss = [call for call in calls if times[call] != 1]
            if not amiss or time.monotonic() > until:
                break
            await asyncio.sleep(1.0)
    except audit.BrokenChain as error:
        return [Violation(Invariant.RECORDED, str(error))]
    run.report.records = records
    broken = [Violation(Invariant.RECORDED, f"{times[call]} records of call {call}") for call in amiss]
    if records > asked:
        broken.append(Violation(Invariant.RECORDED, f"{records} records of {asked} calls"))
    return broken
