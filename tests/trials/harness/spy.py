"""Simulators of every provider on one port, with `GET /spy` (requests since the last look), `POST /fc` (adds a citizen
of FranceConnect) and `POST /hub` (sets what a provider answers about a person).

A program: `spy.py PORT`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points

from aiohttp import web
from msgspec import structs

from bouquet_france_connect.personas import CITIZENS, MAELYS
from bouquet_france_connect.simulator import SESSIONS
from bouquet_hub.personas import CivilStatus, File, Refusal
from bouquet_hub.simulator import SIMULATED_ANSWERS
from bouquet_mesh.listen import listening
from bouquet_mesh.signals import stop_requested
from bouquet_proto.names import SIMULATORS
from bouquet_worker.simulate import RECEIVED

APPS = web.AppKey[Mapping[str, web.Application]]("apps")
ABOUT_NOBODY = ("/token", "/jwks", "/checktoken")


async def _sent(request: web.Request) -> web.Response:
    told = []
    for provider, app in request.app[APPS].items():
        told += [
            {"to": provider, "path": one.path, "query": dict(one.query), "body": one.body.decode()}
            for one in app[RECEIVED]
            if not one.path.endswith(ABOUT_NOBODY)
        ]
        app[RECEIVED].clear()
    return web.json_response(told)


async def _citizen(request: web.Request) -> web.Response:
    told = await request.json()
    token, base = told.pop("token"), CITIZENS[told.pop("like")] if "like" in told else MAELYS
    told = {name: tuple(value) if name == "given_names" else value for name, value in told.items()}
    request.app[APPS]["france_connect"][SESSIONS][token] = structs.replace(base, **told)
    return web.json_response({})


async def _said(request: web.Request) -> web.Response:
    told = await request.json()
    said = File(told["body"]) if "body" in told else Refusal(told["status"], told["code"], "Refus")
    request.app[APPS][told["fund"]][SIMULATED_ANSWERS][CivilStatus(*told["who"])] = said
    return web.json_response({})


async def main(port: int) -> None:
    app, apps = web.Application(), {}
    for entry in entry_points(group=SIMULATORS):
        simulator = entry.load()
        apps[simulator.provider] = simulator.app()
        app.add_subapp(f"/{simulator.provider}", apps[simulator.provider])
    app[APPS] = apps
    app.add_routes([web.get("/spy", _sent), web.post("/fc", _citizen), web.post("/hub", _said)])
    async with listening(app, "127.0.0.1", port):
        await stop_requested()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
