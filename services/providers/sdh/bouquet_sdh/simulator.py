"""Simulator of the Sport Data Hub (docs/reference/upstreams/sdh.md). Its athletes are in `personas`. A test sets the
answer about an athlete's number by `app[SIMULATED_ANSWERS][number] = (status, body)`."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, TypeAlias

from aiohttp import web

from bouquet_sdh.personas import PERSONAS
from bouquet_worker.simulate import CLOCK, Simulator, TokenEndpoint, simulator_app
from bouquet_worker.simulated_faults import simulated_fault

SimulatedAnswer: TypeAlias = tuple[int, Any]

SIMULATED_ANSWERS = web.AppKey("simulated_answers", MutableMapping[str, SimulatedAnswer])
TOKENS = web.AppKey("tokens", TokenEndpoint)

CLIENT_ID = "bouquet-sdh"
CLIENT_SECRET = "simulateur-sdh"


def app() -> web.Application:
    app = simulator_app()
    app[SIMULATED_ANSWERS] = {}
    app[TOKENS] = TokenEndpoint({CLIENT_ID: CLIENT_SECRET})
    app.add_routes([web.post("/token", app[TOKENS].issue), web.get("/sportifs/{identifiant}", _athlete)])
    return app


def settings(base_url: str) -> dict[str, str]:
    """Returns the environment variables that make a worker call the simulator at `base_url`."""
    return {
        "BOUQUET_SDH_URL": f"{base_url}/sportifs",
        "BOUQUET_SDH_TOKEN_URL": f"{base_url}/token",
        "BOUQUET_SDH_CLIENT_ID": CLIENT_ID,
        "BOUQUET_SDH_CLIENT_SECRET": CLIENT_SECRET,
    }


simulator = Simulator(provider="sdh", app=app, settings=settings)


async def _athlete(request: web.Request) -> web.StreamResponse:
    number = request.match_info["identifiant"]
    if not request.app[TOKENS].accepts(request):
        return web.Response(status=401)
    if fault := await simulated_fault(request, number):
        return fault
    if number in request.app[SIMULATED_ANSWERS]:
        status, body = request.app[SIMULATED_ANSWERS][number]
        return web.json_response(body, status=status)
    persona = PERSONAS.get(number)
    if request.query_string or persona is None:
        return web.Response(status=404)
    return web.json_response(persona.file(request.app[CLOCK]().year))
