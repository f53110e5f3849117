"""Calls at a steady rate through the load balancer of an `UpgradeMesh`; each answer is checked."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from yarl import URL

from tests.chaos.invariants import Answer, Caller, Rules, Violation, status_and_code, violations
from tests.chaos.people import RECORDED, Citizen, citizens
from tests.support.gateway_client import QUOTIENT_FAMILIAL_PATH
from tests.support.nomenclature import all_codes
from tests.support.waiting import TEST_TIMEOUT_S, until
from tests.upgrade.mesh import DEADLINE_S

EVERY_S = 0.05
AGAIN = 0.3
"""Share of the calls (0 to 1) that repeat a question about the person of an earlier call. The answer may come from the
shared cache, written by a gateway of another release."""
PATIENCE_S = 60.0
"""Seconds that tests wait for a call's answer after the call's deadline."""


class Load:
    """Stream of calls to the gateways of a load balancer, with counts of the answers."""

    def __init__(self, session: ClientSession, callers: Sequence[Caller], rotation: Sequence[str]) -> None:
        self.answered: Counter[str] = Counter()
        """Number of answers by status and code, such as `200` or `502 00501`."""
        self.right: Counter[str] = Counter()
        """Number of right answers of each gateway, by the gateway's URL. A right answer has data, or says that there
        are none about the person."""
        self.recorded: set[str] = set()
        """Request ids of the calls whose answers must be recorded in the journal."""
        self.lost: list[str] = []
        self.violations: list[Violation] = []
        self._session = session
        self._callers = callers
        self._rotation = rotation
        self._chance = random.Random(15)
        self._people = (one for one in citizens(self._chance) if _is_served(one))
        self._known: deque[Citizen] = deque()
        self._rules = Rules(DEADLINE_S + PATIENCE_S, frozenset())
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        return self.answered.total() + len(self.lost)

    @property
    def failed(self) -> int:
        """Number of calls that ended with an error, or without an answer."""
        return self.count - sum(self.answered[answer] for answer in RECORDED)

    async def learn_errors(self) -> None:
        """Reads which errors the gateways document. From then on, such an error does not count as a wrong answer."""
        for url in tuple(self._rotation):
            async with self._session.get(f"{url}/api/errors") as response:
                known = all_codes(await response.json())
            errors = self._rules.errors | {f"{one.status} {one.code}" for one in known}
            self._rules = Rules(self._rules.late_s, errors)

    async def answers_more(self, count: int = 10) -> None:
        """Waits until each gateway of the load balancer has given `count` more right answers."""
        wanted = {url: self.right[url] + count for url in self._rotation}
        await until(lambda: all(self.right[url] >= number for url, number in wanted.items() if url in self._rotation))

    async def run(self) -> None:
        """Makes calls until cancelled, then waits for the calls in progress."""
        turn = 0
        try:
            while True:
                turn += 1
                call = asyncio.create_task(self._call(self._rotation[turn % len(self._rotation)]))
                self._calls.add(call)
                call.add_done_callback(self._ended)
                await asyncio.sleep(EVERY_S)
        finally:
            if self._calls:
                await asyncio.wait(self._calls)

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not call.cancelled() and (error := call.exception()):  # as of an answer that is no JSON
            self.lost.append(type(error).__name__)

    async def _call(self, gateway: str) -> None:
        repeated = bool(self._known) and self._chance.random() < AGAIN
        citizen = self._known.popleft() if repeated else next(self._people)
        caller, id_, began = self._chance.choice(self._callers), str(uuid.uuid4()), time.monotonic()
        url = URL(f"{gateway}{citizen.kind.path}?{citizen.query()}", encoded=True)
        headers = {"Authorization": f"Bearer {caller.token}", "X-Request-Id": id_}
        try:
            async with self._session.get(url, headers=headers) as response:
                answer = Answer(response.status, await response.read(), time.monotonic() - began)
        except (ClientError, OSError, TimeoutError) as error:
            self.lost.append(f"{type(error).__name__} of {gateway} after {time.monotonic() - began:.2f} s")
            return
        said = status_and_code(answer)
        self.answered[said] += 1
        self.violations += violations(citizen, caller, answer, self._rules)
        if said in RECORDED:
            self.right[gateway] += 1
            self.recorded.add(id_)
            self._known.append(citizen)  # only now: the same question beside an unanswered one would be refused


def _is_served(citizen: Citizen) -> bool:
    """Returns whether the call about this person suits an `UpgradeMesh`: it asks for the quotient familial, and no
    simulated provider stays silent."""
    return citizen.kind.path == QUOTIENT_FAMILIAL_PATH and "silent" not in citizen.kind.name


@asynccontextmanager
async def under_load(callers: Sequence[Caller], rotation: Sequence[str]) -> AsyncIterator[Load]:
    """Calls the gateways of a load balancer until the end of the context. Each call uses a new connection, so none is
    lost because a gateway closes an idle connection."""
    timeout = ClientTimeout(total=DEADLINE_S + PATIENCE_S)
    async with ClientSession(connector=TCPConnector(limit=0, force_close=True), timeout=timeout) as session:
        load = Load(session, callers, rotation)
        await load.learn_errors()
        calling = asyncio.create_task(load.run())
        try:
            await load.answers_more()
            yield load
        finally:
            calling.cancel()
            async with asyncio.timeout(TEST_TIMEOUT_S):
                await asyncio.wait([calling])
