"""The two kinds of run: chaos, with faults, and soak, longer and without faults."""

from __future__ import annotations

import asyncio
import math
import os
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
from tests.chaos.mesh import DEADLINE_S, ChaosMesh, chaos_cluster, chaos_mesh
from tests.chaos.report import EpisodeResult, Report
from tests.chaos.schedule import CLUSTER_FAULTS, FAULTS, Episode, Fault, faults_named, schedule
from tests.support import rabbitmq

Tell: TypeAlias = Callable[[str], object]

WARM_UP_S = 8.0
QUIET_WITHIN_S = 60.0
"""Longest time, in seconds, that a run waits until the mesh is idle."""
WELL_TIMES = 3
"""Number of successful health checks in a row after which the mesh counts as working again, although a fault still
lasts."""
# The first ones may be good because the fault has had no effect yet.
WHOLE_PATIENCE_S = 60.0
"""Longest time, in seconds, that a run waits for the mesh to work again while a fault lasts. A mesh that takes longer
breaks a promise; the report compares a shorter time with the fault's goal."""
UNPACED = 100_000.0
"""Planned calls a second when the highest possible rate is measured. No mesh can reach this number."""
CHAOS_MARGINS = Margins(memory_share=0.25, memory_mb=15.0, descriptors=12, tasks=8)
"""Growth allowed to each process in a chaos run. Restarted processes need more than the processes of a soak run."""
SOAK_MARGINS = Margins(memory_share=0.05, memory_mb=0.0, descriptors=4, tasks=4)


class RunOptions(Struct, frozen=True, kw_only=True):
    seconds: float
    seed: int = 0
    per_second: float
    """Planned calls a second. In a soak run, 0 stands for half of the highest rate that the mesh reaches."""
    at_once: int = 64
    """Largest number of simultaneous calls. On a slow machine, this limit may lower the number of calls a second below
    the planned one."""
    grace_s: float = 2.0
    heals_within_s: float = 30.0
    repeat: str = ""
    rabbitmq: int = 3
    cluster: bool = False
    khepri: bool = True
    """Whether the nodes of a cluster keep their definitions in Khepri, not in Mnesia."""
    only: str = ""
    """Faults to inject, as `faults_named` understands it; all faults if empty."""
    without: str = ""
    """Faults that are not injected, as `faults_named` understands it; none if empty."""

    @property
    def faults(self) -> tuple[Fault, ...]:
        every = CLUSTER_FAULTS if self.cluster else FAULTS
        left_out = faults_named(self.without, every) if self.without else ()
        return tuple(fault for fault in faults_named(self.only, every) if fault not in left_out)


class Run:
    """A running mesh with its health checks, and the report of the run."""

    def __init__(
        self, order: RunOptions, mesh: ChaosMesh, callers: Sequence[Caller], checker: HealthChecker, tell: Tell
    ) -> None:
        self.order = order
        self.mesh = mesh
        self.checker = checker
        self.tell = tell
        self.report = Report(order.repeat)
        self._callers = tuple(callers)

    async def peak(self) -> float:
        return (await self.ask(UNPACED, asyncio.sleep(WARM_UP_S))).asked / WARM_UP_S

    async def ask(self, per_second: float, during: Awaitable[None]) -> LoadResult:
        """Keeps the mesh under load until the awaitable `during` ends, and returns the load's result."""
        # Each load asks about people whom no earlier load asked about.
        loads = self.report.loads
        plan = Plan(
            ports=self.mesh.ports,
            callers=self._callers,
            rules=self.checker.rules,
            seed=self.order.seed,
            first_person=sum(load.asked for load in loads),
            per_second=per_second,
            at_once=self.order.at_once,
        )
        async with generate_load(plan) as load:
            await during
            loads.append(await load.result())
        return loads[-1]


async def chaos(folder: Path, order: RunOptions, tell: Tell) -> Report:
    async with _opened(folder, order, tell) as run:
        await run.ask(order.per_second, asyncio.sleep(WARM_UP_S))
        for node in run.mesh.cluster.nodes:
            await asyncio.to_thread(node.settle)
        async with _compared(run, CHAOS_MARGINS):
            await run.ask(order.per_second, _break(run))
    return run.report


async def soak(folder: Path, order: RunOptions, tell: Tell) -> Report:
    """Runs a steady load and returns the report. If the options set no rate, uses half of the highest rate that the
    mesh reaches."""
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
    release = rabbitmq.RELEASES[order.rabbitmq]
    opening = chaos_cluster(folder, release, khepri=order.khepri) if order.cluster else chaos_mesh(folder, release)
    async with opening as mesh:
        callers = await mesh.callers()
        async with health_checker(mesh, callers[0], DEADLINE_S + order.grace_s) as checker:
            if await checker.healed(order.heals_within_s) is None:
                raise TimeoutError("the mesh was not well before anything was done to it")
            yield Run(order, mesh, callers, checker, tell)


@asynccontextmanager
async def _compared(run: Run, margins: Margins) -> AsyncIterator[None]:
    report, checker = run.report, run.checker
    await checker.quiet(QUIET_WITHIN_S)
    report.before, queues = await checker.resource_usage(), await run.mesh.queues()
    began = time.monotonic()
    yield
    report.seconds = time.monotonic() - began
    report.load = os.getloadavg()[0]
    left, report.after = await checker.recovered(report.before, queues, margins, QUIET_WITHIN_S)
    report.broken += [*left, *checker.broken, *await _unrecorded(run)]


async def _break(run: Run) -> None:
    """Injects the episodes of the schedule one by one. Waits after each until the mesh works again."""
    run.report.began = began = time.monotonic()
    for episode in schedule(run.order.seed, run.order.seconds, run.order.faults):
        await asyncio.sleep(max(0.0, began + episode.at_s - time.monotonic()))
        if (at_s := time.monotonic() - began) > run.order.seconds:
            break
        survived = await _survived(run, episode, at_s)
        run.report.episodes.append(survived)
        story = f"{survived}; last wrong answers: {run.checker.wrong}"
        run.tell(story if survived.is_late else str(survived))
        if survived.healed_s is None:
            run.report.broken.append(Violation(Invariant.HEALED, story))
        if survived.whole_s == math.inf:
            run.report.broken.append(Violation(Invariant.WHOLE, story))
        run.report.broken += await run.checker.falsely_ready(run.order.heals_within_s)


async def _survived(run: Run, episode: Episode, at_s: float) -> EpisodeResult:
    """Injects the faults of an episode, and waits until the mesh works again."""
    whole_s: float | None = None

    async def check() -> None:
        nonlocal whole_s
        if episode.whole_within_s is not None:
            took_s = await run.checker.healed(WHOLE_PATIENCE_S, times=WELL_TIMES)
            whole_s = math.inf if took_s is None else took_s
            run.report.broken += await run.checker.falsely_ready(run.order.heals_within_s)

    async with asyncio.TaskGroup() as injecting:
        for one in episode.injections:
            injecting.create_task(inject(run.mesh, one, check))
    return EpisodeResult(at_s, episode, await run.checker.healed(run.order.heals_within_s), whole_s)


async def _unrecorded(run: Run) -> list[Violation]:
    """Returns the violations found in the access journal, such as a disclosing answer without exactly one record."""
    asked = sum(load.asked + load.moved for load in run.report.loads) + run.checker.asked
    calls = [call for load in run.report.loads for call in load.calls]
    until = time.monotonic() + QUIET_WITHIN_S
    try:
        while True:
            records, times = await run.mesh.count_records(), await run.mesh.record_counts()
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
