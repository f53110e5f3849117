"""Simulator of the DSNJ's API of national service (docs/reference/upstreams/dsnj.md). Its people are in `personas`. A
test sets another answer about a family name by `app[SIMULATED_ANSWERS][name] = (status, body)`."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, TypeAlias

from aiohttp import web

from bouquet_dsnj.personas import PEOPLE, Json
from bouquet_worker.simulate import Simulator, simulator_app
from bouquet_worker.simulated_faults import simulated_fault

SimulatedAnswer: TypeAlias = tuple[int, Any]

SIMULATED_ANSWERS = web.AppKey("simulated_answers", MutableMapping[str, SimulatedAnswer])

PATH = "/service-national"
TOKEN = "simulateur-dsnj"
KNOWN_AGENT = "curl/"
ASKED_WITH = {"given_name", "family_name", "birthdate", "gender", "birthplace", "birthcountry"}
NOT_FOUND = {"code": "NON_TROUVE"}
MALFORMED = {"return_code": "ERREUR_TECHNIQUE", "error_msg": "Le format du JSON n'est pas correct"}


def app() -> web.Application:
    app = simulator_app()
    app[SIMULATED_ANSWERS] = {}
    app.add_routes([web.post(PATH, _service_national)])
    return app


def settings(base_url: str) -> dict[str, str]:
    """Returns the environment variables that make a worker call the simulator at `base_url`."""
    return {"BOUQUET_DSNJ_URL": base_url + PATH, "BOUQUET_DSNJ_TOKEN": TOKEN}


simulator = Simulator(provider="dsnj", app=app, settings=settings)


async def _service_national(request: web.Request) -> web.StreamResponse:
    if not request.headers.get("User-Agent", "").startswith(KNOWN_AGENT):
        return web.Response(status=403)
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return web.Response(status=401)
    match await request.json():
        case {"identites_pivot": [dict() as asked], **others} if not others and asked.keys() == ASKED_WITH:
            pass
        case _:
            return web.json_response(MALFORMED)
    name = str(asked["family_name"])
    if fault := await simulated_fault(request, name):
        return fault
    if name in request.app[SIMULATED_ANSWERS]:
        status, body = request.app[SIMULATED_ANSWERS][name]
        return web.json_response(body, status=status)
    return web.json_response(_answer(asked))


def _answer(asked: Json) -> Json:
    person = next((person for person in PEOPLE if person.pivot() == asked), None)
    said = {"code": "OK", "en_regle": person.en_regle, "complement": person.complement} if person else NOT_FOUND
    return {"return_code": "OK", "results": [said | {"identite_pivot": asked}]}
