"""Checks of a mesh over HTTP: whether it works, and how much memory, descriptors and tasks each process uses."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from bouquet_proto.names import JOURNAL_QUEUE, queue_of
from bouquet_proto.registry_messages import PROVIDER as REGISTRY
from tests.chaos.invariants import (
    Answer,
    Caller,
    Invariant,
    Margins,
    ResourceUsage,
    Rules,
    Violation,
    grown,
    is_right,
    left_in_queues,
    status_and_code,
    violations,
)
from tests.chaos.mesh import ChaosMesh, MeshProcess
from tests.chaos.people import BY_NAME, FIRST_PROBE_NUMBER, Citizen
from tests.chaos.schedule import GATEWAYS, PROVIDERS, WORKERS
from tests.support.gateway import HOST
from tests.support.nomenclature import all_codes

PROBED_KINDS = ("of the CAF", "of the MSA", "of nobody", "of a crèche")
"""Kinds of people that a health check asks about, chosen so that the answers depend on every provider."""
CONSUMERS = {queue_of(provider): [name for name in WORKERS if name.startswith(provider)] for provider in PROVIDERS}
CONSUMERS |= {queue_of(REGISTRY): ["registry"], JOURNAL_QUEUE: ["journal"]}
"""Names of the processes that consume each queue."""
PENDING_GAUGES = (
    "bouquet_gateway_requests_in_flight",
    "bouquet_gateway_calls_in_flight",
    "bouquet_bus_calls_pending",
    "bouquet_worker_requests_in_flight",
)
"""Metrics in which a process counts its unfinished requests and calls."""
EVERY_S = 0.1
NEXT_CHECK_AFTER_S = 1.0
"""Seconds after which the next health check begins although the one before has not ended."""
PATIENCE_S = 10.0
QUIET_FOR_S = 5.0
OPENS_WITHIN_S = 60.0
PROBES_PER_KIND = 2
"""Number of lookups that a health check sends to each gateway for each kind of people."""
# It is two because each provider has two workers, which take turns.

_Check: TypeAlias = "tuple[float, asyncio.Task[bool]]"
"""A health check: the seconds after which it began, and the task that finds whether all its answers are right."""


class HealthChecker:
    """Health checks of one mesh. `asked` counts the lookups sent, and `broken` lists the violations found."""

    def __init__(self, mesh: ChaosMesh, session: ClientSession, caller: Caller, rules: Rules) -> None:
        self.asked = 0
        self.broken: list[Violation] = []
        self.wrong: list[str] = []
        """Wrong answers in the last failed health check, each with the gateway's port and the kind of person."""
        self._mesh = mesh
        self._session = session
        self._caller = caller
        self.rules = rules
        self._numbers = itertools.count(FIRST_PROBE_NUMBER)

    async def healed(self, within_s: float, *, times: int = 1) -> float | None:
        """Repeats health checks until `times` in a row get only right answers. Returns the seconds from the call of
        this method to the first of these checks, or None if no such series began within `within_s` seconds."""
        # The next check begins beside one that lasts. Otherwise a check that began just before the mesh was well, and
        # whose lookups end at their deadline, would delay the first good one.
        began, checks = time.monotonic(), list[_Check]()
        async with asyncio.TaskGroup() as checking:
            while True:
                checks.append((time.monotonic() - began, checking.create_task(self._is_well())))
                await asyncio.wait([checks[-1][1]], timeout=NEXT_CHECK_AFTER_S)
                ended = itertools.dropwhile(_is_pending, reversed(checks))
                good = list(itertools.takewhile(_is_good, ended))
                well_s, _ = good[-1] if good else checks[-1]
                if well_s > within_s:
                    return None
                if len(good) >= times:
                    return well_s
                await asyncio.sleep(EVERY_S)

    async def falsely_ready(self, within_s: float) -> list[Violation]:
        """Returns a violation for each queue that has fewer consumers than there are ready processes that should
        consume from it. Waits up to `within_s` seconds for missing consumers."""
        until = time.monotonic() + within_s
        while True:
            found = await self._falsely_ready()
            if not found or time.monotonic() > until:
                return found
            await asyncio.sleep(EVERY_S)

    async def _falsely_ready(self) -> list[Violation]:
        ready = {
            queue: sum([await self._is_ready(process.url) for process in self._running(names)])
            for queue, names in CONSUMERS.items()
        }
        try:
            consumed = [queue for [queue] in await self._mesh.vhost.rows("consumers", "queue_name")]
        except (RuntimeError, OSError) as error:  # a queue is on a node that is lost
            return [Violation(Invariant.READY, f"the broker cannot list its consumers: {error}"[:200])]
        return [
            Violation(Invariant.READY, f"{queue}: {count} ready processes, {consumers} consumers")
            for queue, count in ready.items()
            if (consumers := sum(name.startswith(queue) for name in consumed)) < count
        ]

    def _running(self, names: Iterable[str]) -> list[MeshProcess]:
        processes = self._mesh.processes
        return [processes[name] for name in names if name in processes and processes[name].is_running]

    async def is_ready(self) -> bool:
        return all(await asyncio.gather(*(self._is_ready(member.url) for member in self._mesh.processes.values())))

    async def learn(self) -> None:
        """Reads the documented errors from `GET /api/errors`. Later checks report any other error as a violation."""
        async with self._session.get(f"{self._mesh.processes[GATEWAYS[0]].url}/api/errors") as response:
            known = all_codes(await response.json())
        self.rules = Rules(self.rules.late_s, frozenset(f"{one.status} {one.code}" for one in known))

    async def quiet(self, within_s: float) -> None:
        """Waits until the mesh is idle: no call is under way, and no file or connection is opened or closed."""
        until, before = time.monotonic() + within_s, dict[str, int]()
        while time.monotonic() < until:
            now = await self.resource_usage()
            held = {name: one.descriptors for name, one in now.items()}
            if held == before and not any(one.pending for one in now.values()):
                return
            before = held
            await asyncio.sleep(QUIET_FOR_S)

    async def resource_usage(self) -> dict[str, ResourceUsage]:
        names = list(self._mesh.processes)
        return dict(zip(names, await asyncio.gather(*map(self._resource_usage, names)), strict=True))

    async def recovered(
        self, resource_usage: Mapping[str, ResourceUsage], queues: Mapping[str, int], margins: Margins, within_s: float
    ) -> tuple[list[Violation], dict[str, ResourceUsage]]:
        """Waits until all processes are ready, no process uses more than in `resource_usage` plus `margins`, and the
        queues are the same as in `queues`. Gives up after `within_s` seconds. Returns the remaining violations and the
        latest resource usage."""
        until = time.monotonic() + within_s
        while True:
            now, left = await self.resource_usage(), await self._mesh.queues()
            broken = grown(resource_usage, now, margins) + left_in_queues(queues, left) + await self._never_ready()
            if not broken or time.monotonic() > until:
                return broken, now
            await asyncio.sleep(1.0)

    async def _never_ready(self) -> list[Violation]:
        """Returns a violation for each process that is not ready. Lookups would not reveal it, because other processes
        answer in its place."""
        return [
            Violation(Invariant.HEALED, f"{name} is not ready")
            for name, process in self._mesh.processes.items()
            if not await self._is_ready(process.url)
        ]

    async def _is_ready(self, url: str) -> bool:
        try:
            async with self._session.get(f"{url}/readyz") as response:
                return response.status == 200
        except (ClientError, TimeoutError):
            return False

    async def _is_well(self) -> bool:
        asked = [
            self._wrong_answer(port, kind)
            for port in self._mesh.ports
            for kind in PROBED_KINDS
            for _ in range(PROBES_PER_KIND)
        ]
        wrong = [answer for answer in await asyncio.gather(*asked) if answer]
        self.wrong = wrong or self.wrong
        return not wrong

    async def _wrong_answer(self, port: int, kind: str) -> str:
        """Sends a gateway a lookup about a new person. Returns "" if the answer is right, and otherwise the gateway's
        port, the kind of person and the answer. Adds violations to `broken`."""
        citizen = Citizen(next(self._numbers), BY_NAME[kind])
        self.asked += 1
        began = time.monotonic()
        url = URL(f"http://{HOST}:{port}{citizen.kind.path}?{citizen.query()}", encoded=True)
        try:
            async with self._session.get(url, headers={"Authorization": f"Bearer {self._caller.token}"}) as response:
                answer = Answer(response.status, await response.read(), time.monotonic() - began)
        except (ClientError, TimeoutError) as error:
            return f"{port} {kind}: {type(error).__name__}"
        self.broken += violations(citizen, self._caller, answer, self.rules)
        return "" if is_right(citizen, answer) else f"{port} {kind}: {status_and_code(answer)}"

    async def _resource_usage(self, name: str) -> ResourceUsage:
        async with self._session.get(f"{self._mesh.processes[name].url}/metrics") as response:
            families = text_string_to_metric_families(await response.text())
        figures: defaultdict[str, float] = defaultdict(float)
        for sample in (sample for family in families for sample in family.samples):
            figures[sample.name] += sample.value
        return ResourceUsage(
            memory_mb=figures["process_resident_memory_bytes"] / 2**20,
            descriptors=int(figures["process_open_fds"]),
            tasks=int(figures["bouquet_tasks"]),
            pending=int(sum(figures[name] for name in PENDING_GAUGES)),
        )


def _is_pending(check: _Check) -> bool:
    return not check[1].done()


def _is_good(check: _Check) -> bool:
    return check[1].done() and check[1].result()


@asynccontextmanager
async def health_checker(mesh: ChaosMesh, caller: Caller, late_s: float) -> AsyncIterator[HealthChecker]:
    """Waits until all processes of a mesh are ready, and yields its health checker."""
    # A connection each: a gateway that ends keeps nobody's for the next question.
    async with ClientSession(
        connector=TCPConnector(force_close=True, limit=0), timeout=ClientTimeout(total=late_s + PATIENCE_S)
    ) as session:
        made = HealthChecker(mesh, session, caller, Rules(late_s, frozenset()))
        async with asyncio.timeout(OPENS_WITHIN_S):
            while not await made.is_ready():  # noqa: ASYNC110 - other processes, without an event
                await asyncio.sleep(EVERY_S)
        await made.learn()
        yield made
