"""Test harness: a worker on the embedded bus (in memory), its simulator over HTTP, and faults between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from functools import partial
from typing import TypeAlias
from unittest import mock

from aiohttp import web
from aiohttp.typedefs import Handler

from bouquet_mesh.bus.memory import MemoryBus
from bouquet_mesh.listen import listening
from bouquet_proto.deadline import Deadline
from bouquet_proto.messages import Caller, Lookup, Reply
from bouquet_worker import auth, deadline, upstream
from bouquet_worker.simulate import CLOCK, RECEIVED, Fault, Received, Simulator, respond_with_fault
from bouquet_worker.testing.cases import Case
from bouquet_worker.worker import Worker

TODAY = date(2026, 4, 15)
REQUEST_ID = "5f0a1a0e-6c35-4a51-9a0b-0d6d5d2f7f10"
CALLER = Caller(recipient="13002526500013", token_id="9d2c1b0a-3f4e-4d5c-8b6a-7e8f90a1b2c3")
PATIENCE_S = 60.0
"""Seconds that a worker has to answer a test's lookup."""
SILENT_UPSTREAM_S = (0.3, 3.0, 30.0)
"""Seconds after which a worker under test must give up on an upstream that does not answer. A test tries the next value
only if the worker had no time to send its request."""
# On a busy machine, the requests before the unanswered one can take the whole time.
REPLY_MARGIN_S = 5.0
"""Replaces `deadline.REPLY_MARGIN_S`, in seconds, in tests of an upstream that does not answer."""

Behaviour: TypeAlias = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
"""Function that answers a request in place of the simulator. Its arguments are the request and the simulator's
handler."""


class FaultInjector:
    """A middleware that injects faults in front of a simulator.

    Args:
        behaviour: Function that answers in place of the simulator; `None` injects nothing.
        after: Number of requests that the simulator answers before `behaviour` does.
    """

    def __init__(self, behaviour: Behaviour | None, after: int) -> None:
        self.requests = 0
        self._behaviour = behaviour
        self._after = after

    @property
    def has_injected(self) -> bool:
        """Whether more than `after` requests have come, so that `behaviour` has answered at least one."""
        return self.requests > self._after

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answers a request. The simulator answers the first `after` requests, and `behaviour` all later ones."""
        self.requests += 1
        if self._behaviour is None or self.requests <= self._after:
            return await handler(request)
        return await self._behaviour(request, handler)


class HeldRequest:
    """Behaviour of an upstream that does not answer a request until a test sets the event `release`."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()
        self.disconnected = asyncio.Event()
        """Event that is set if the worker closes the connection before it receives an answer."""

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.arrived.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.disconnected.set()
            raise
        return await handler(request)


async def _fault(request: web.Request, _: Handler, *, fault: Fault) -> web.StreamResponse:
    return await respond_with_fault(request, fault)


async def _other_shape(_: web.Request, __: Handler) -> web.StreamResponse:
    return web.json_response("JSON of another type")


async def _answer_of_a_proxy(
    _: web.Request, __: Handler, *, status: int, text: str, content_type: str
) -> web.StreamResponse:
    """Answers with an error of a proxy, to which the worker must not reply `not_found`."""
    return web.Response(status=status, text=text, content_type=content_type)


_UNKNOWN_PATH_JSON = '{"timestamp": "2026-04-15T08:00:00Z", "status": 404, "error": "Not Found", "path": "/v9"}'
_BAD_REQUEST_JSON = '{"timestamp": "2026-04-15T08:00:00Z", "status": 400, "error": "Bad Request", "path": "/v1"}'

FAULTY_BEHAVIOURS: dict[str, Behaviour] = {
    **{fault.value: partial(_fault, fault=fault) for fault in Fault},
    "other_shape": _other_shape,
    "proxy_404": partial(_answer_of_a_proxy, status=404, text="<h1>404 Not Found</h1>", content_type="text/html"),
    "proxy_404_json": partial(_answer_of_a_proxy, status=404, text=_UNKNOWN_PATH_JSON, content_type="application/json"),
    "proxy_404_empty": partial(_answer_of_a_proxy, status=404, text="", content_type="text/plain"),
    "proxy_400": partial(_answer_of_a_proxy, status=400, text="<h1>400 Bad Request</h1>", content_type="text/html"),
    "proxy_400_json": partial(_answer_of_a_proxy, status=400, text=_BAD_REQUEST_JSON, content_type="application/json"),
    "proxy_403": partial(_answer_of_a_proxy, status=403, text="<h1>403 Forbidden</h1>", content_type="text/html"),
}
"""Maps the names of faults, as test reports show them, to functions that answer as an upstream with this fault does."""
BARE_404S = frozenset({"proxy_404_json", "proxy_404_empty"})
"""Names of the behaviours in `FAULTY_BEHAVIOURS` that answer 404 without a page of HTML."""


class WorkerHarness:
    def __init__(self, bus: MemoryBus, worker: Worker, app: web.Application, injector: FaultInjector) -> None:
        self.bus = bus
        self.app = app
        self.injector = injector
        self._worker = worker

    @property
    def received(self) -> list[Received]:
        return self.app[RECEIVED]

    async def ask(self, case: Case, *, within_s: float = PATIENCE_S) -> Reply:
        """Sends the worker the lookup of a test case, with a deadline in `within_s` seconds, and returns the worker's
        reply."""
        return await self.bus.call(self._worker.provider, lookup_of(case, within_s=within_s))

    async def ask_with_near_deadline(self, case: Case) -> Reply:
        """Sends the worker the lookup of a test case whose upstream does not answer, and returns the worker's reply.
        The deadline is near, so that the test takes little time."""
        # If the worker had no time to send the unanswered request, the lookup is sent again with the next value.
        with mock.patch.object(deadline, "REPLY_MARGIN_S", REPLY_MARGIN_S):
            for silent_s in SILENT_UPSTREAM_S:
                self.injector.requests = 0
                reply = await self.ask(case, within_s=REPLY_MARGIN_S + silent_s)
                if self.injector.has_injected:
                    break
            return reply


@asynccontextmanager
async def worker_harness(
    worker: Worker,
    simulator: Simulator,
    *,
    today: date = TODAY,
    behaviour: Behaviour | None = None,
    after: int = 0,
    environ: Mapping[str, str] = {},
) -> AsyncIterator[WorkerHarness]:
    """Runs a worker and its simulator, and yields the harness. When the context ends, the worker first finishes its
    running requests.

    Args:
        worker: The worker.
        simulator: The simulator of the worker's upstreams.
        today: Date that the worker and the simulator take for today.
        behaviour: Function that answers in place of the simulator, such as a fault; `None` for the simulator's own
            answers.
        after: Number of requests that the simulator answers before `behaviour` does.
        environ: Environment variables of the worker, besides the variables that make it call the simulator.
    """
    bus, app, injector = MemoryBus(), simulator.app(), FaultInjector(behaviour, after)
    with without_pauses(worker, today):
        async with simulating(simulator, app, injector, today) as own, worker.running(bus, {**own, **environ}):
            yield WorkerHarness(bus, worker, app, injector)


@asynccontextmanager
async def simulating(
    simulator: Simulator, app: web.Application, injector: FaultInjector, today: date
) -> AsyncIterator[Mapping[str, str]]:
    """Serves `app`, the simulator's application, behind a fault injector. Yields the environment variables that make a
    worker call the simulator. `today` is the date that the simulator takes for today."""
    app[CLOCK] = lambda: today
    app.middlewares.insert(0, injector.middleware)
    async with listening(app, "127.0.0.1", 0) as url:
        yield simulator.settings(url)


@contextmanager
def without_pauses(worker: Worker, today: date) -> Iterator[None]:
    """Until the context ends, `worker` retries calls and token requests without a pause, and takes `today` for the
    present date."""
    with (
        mock.patch.object(worker, "clock", lambda: today),
        mock.patch.object(auth, "ATTEMPT_PAUSE_S", 0.0),
        mock.patch.object(upstream, "RETRY_DELAY_S", 0.0),
    ):
        yield


def lookup_of(case: Case, *, within_s: float = PATIENCE_S) -> Lookup:
    return Lookup(
        id=REQUEST_ID,
        deadline=Deadline.after(within_s).at,
        operation=case.operation,
        identity=case.identity,
        parameters=case.parameters,
        caller=CALLER,
    )
