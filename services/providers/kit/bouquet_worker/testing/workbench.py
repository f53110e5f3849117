"""A worker on the embedded bus, with its simulator on loopback, and someone between them who can make it unwell."""

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
from bouquet_worker.simulate import CLOCK, RECEIVED, Fault, Received, Simulator, misbehave
from bouquet_worker.testing.cases import Case
from bouquet_worker.worker import Worker

TODAY = date(2026, 4, 15)
REQUEST_ID = "5f0a1a0e-6c35-4a51-9a0b-0d6d5d2f7f10"
CALLER = Caller(recipient="13002526500013", token_id="9d2c1b0a-3f4e-4d5c-8b6a-7e8f90a1b2c3")
PATIENCE_S = 60.0
"""The deadline of a question that is answered: it ends a test that hangs, and measures no machine."""
SILENCE_S = 0.3
"""How long a silent upstream is waited for."""
HOMEWARD_S = 5.0
"""Kept from the deadline of a question to a silent upstream: the failure comes in time on a busy machine too."""

Behaviour: TypeAlias = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
"""What an upstream makes of a request, with the handler that would have answered it."""


class Front:
    """Stands before a simulator. Lets so many requests pass `untouched`, then does what it is told to."""

    def __init__(self, behaviour: Behaviour | None, untouched: int) -> None:
        self.asked = 0
        self._behaviour = behaviour
        self._untouched = untouched

    @web.middleware
    async def receive(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.asked += 1
        if self._behaviour is None or self.asked <= self._untouched:
            return await handler(request)
        return await self._behaviour(request, handler)


class Held:
    """A behaviour: the upstream takes a request, and answers when it is told to."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.abandoned = asyncio.Event()
        """The caller has hung up."""

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.abandoned.set()
            raise
        return await handler(request)


async def _fault(request: web.Request, _: Handler, *, fault: Fault) -> web.StreamResponse:
    return await misbehave(request, fault)


async def _other_shape(_: web.Request, __: Handler) -> web.StreamResponse:
    return web.json_response("What is JSON and nothing more")


async def _foreign(_: web.Request, __: Handler, *, status: int, text: str, content_type: str) -> web.StreamResponse:
    """What a proxy or a framework says where the upstream's own path is not, or of a request that it cannot read."""
    return web.Response(status=status, text=text, content_type=content_type)


_NOWHERE = '{"timestamp": "2026-04-15T08:00:00Z", "status": 404, "error": "Not Found", "path": "/v9"}'
_UNREAD = '{"timestamp": "2026-04-15T08:00:00Z", "status": 400, "error": "Bad Request", "path": "/v1"}'

SICKNESSES: dict[str, Behaviour] = {
    **{fault.value: partial(_fault, fault=fault) for fault in Fault},
    "other_shape": _other_shape,
    "foreign_404": partial(_foreign, status=404, text="<h1>404 Not Found</h1>", content_type="text/html"),
    "foreign_404_json": partial(_foreign, status=404, text=_NOWHERE, content_type="application/json"),
    "foreign_404_empty": partial(_foreign, status=404, text="", content_type="text/plain"),
    "foreign_400": partial(_foreign, status=400, text="<h1>400 Bad Request</h1>", content_type="text/html"),
    "foreign_400_json": partial(_foreign, status=400, text=_UNREAD, content_type="application/json"),
    "foreign_403": partial(_foreign, status=403, text="<h1>403 Forbidden</h1>", content_type="text/html"),
}


class Workbench:
    """`app` is the simulator's, with what it `received` if it records it."""

    def __init__(self, bus: MemoryBus, worker: Worker, app: web.Application, front: Front) -> None:
        self.bus = bus
        self.app = app
        self.front = front
        self._worker = worker

    @property
    def received(self) -> list[Received]:
        return self.app[RECEIVED]

    async def ask(self, case: Case, *, within_s: float = PATIENCE_S) -> Reply:
        """The worker's reply to a case, whatever the case expects."""
        return await self.bus.call(self._worker.provider, lookup_of(case, within_s=within_s))

    async def ask_the_silent(self, case: Case) -> Reply:
        """The reply to a case whose deadline leaves the upstream no more than a moment."""
        with mock.patch.object(deadline, "HOMEWARD_S", HOMEWARD_S):
            return await self.ask(case, within_s=HOMEWARD_S + SILENCE_S)


@asynccontextmanager
async def workbench(
    worker: Worker,
    simulator: Simulator,
    *,
    today: date = TODAY,
    behaviour: Behaviour | None = None,
    untouched: int = 0,
    environ: Mapping[str, str] = {},
) -> AsyncIterator[Workbench]:
    """`environ` overrides the simulator's settings. Leaving it drains the worker."""
    bus, app, front = MemoryBus(), simulator.app(), Front(behaviour, untouched)
    with impatient(worker, today):
        async with simulating(simulator, app, front, today) as own, worker.running(bus, {**own, **environ}):
            yield Workbench(bus, worker, app, front)


@asynccontextmanager
async def simulating(
    simulator: Simulator, app: web.Application, front: Front, today: date
) -> AsyncIterator[Mapping[str, str]]:
    """The environment of a worker that asks the simulator, behind `front`."""
    app[CLOCK] = lambda: today
    app.middlewares.insert(0, front.receive)
    async with listening(app, "127.0.0.1", 0) as url:
        yield simulator.settings(url)


@contextmanager
def impatient(worker: Worker, today: date) -> Iterator[None]:
    """A worker whose day is `today`, and that makes no pause before it asks again."""
    with (
        mock.patch.object(worker, "clock", lambda: today),
        mock.patch.object(auth, "PAUSE_S", 0.0),
        mock.patch.object(upstream, "REPEAT_AFTER_S", 0.0),
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
