"""Simulated upstreams of all providers: `python -m tests.chaos.upstreams PORT`. A request `PUT
/behaviours/{provider}/{behaviour}` sets the behaviour of a provider's upstream."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import uvloop
from aiohttp import web
from aiohttp.typedefs import Middleware

from bouquet_cnaf.simulator import simulator as cnaf
from bouquet_dss.simulator import simulator as dss
from bouquet_mesh.listen import listening
from bouquet_mesh.signals import stop_requested
from bouquet_msa.simulator import simulator as msa
from bouquet_worker.simulate import Fault, respond_with_fault
from tests.support.gateway import HOST

SIMULATORS = {"cnaf": cnaf, "msa": msa, "dss": dss}
NORMAL, LATE = "well", "late"
LATE_S = 1.2
"""Seconds by which a `late` upstream delays an answer. This is long enough for the gateway to ask the second provider
too (hedging)."""

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

BEHAVIOURS = web.AppKey("behaviours", dict[str, str])
"""Key under which the application keeps the behaviour of each provider's upstream, such as `well` or `late`."""


def make_app() -> web.Application:
    app = web.Application()
    app[BEHAVIOURS] = dict.fromkeys(SIMULATORS, NORMAL)
    app.add_routes([web.put("/behaviours/{provider}/{behaviour}", _set_behaviour), web.get("/livez", _alive)])
    for provider, simulator in SIMULATORS.items():
        simulated = simulator.app()
        simulated.middlewares.append(_misbehaving(app[BEHAVIOURS], provider))
        app.add_subapp(f"/{provider}", simulated)
    return app


def _misbehaving(behaviours: dict[str, str], provider: str) -> Middleware:
    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        match behaviours[provider]:
            case "well":
                return await handler(request)
            case "late":
                await asyncio.sleep(LATE_S)
                return await handler(request)
            case behaviour:
                return await respond_with_fault(request, Fault(behaviour))

    return answer


async def _set_behaviour(request: web.Request) -> web.Response:
    request.app[BEHAVIOURS][request.match_info["provider"]] = request.match_info["behaviour"]
    return web.Response()


async def _alive(_: web.Request) -> web.Response:
    return web.Response()


async def serve(port: int) -> None:
    async with listening(make_app(), HOST, port):
        await stop_requested()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
