"""Simulator of the GIP-MDS's API of contracts (docs/reference/upstreams/gip_mds.md). Its people are in `personas`; a
test sets the answer about a person by `app[SIMULATED_ANSWERS][key_of(…)] = (status, body)`."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, TypeAlias

from aiohttp import web

from bouquet_gip_mds.personas import NAMESAKES, PEOPLE, PersonKey, error, file_of
from bouquet_worker.simulate import CLOCK, Simulator, TokenEndpoint, simulator_app
from bouquet_worker.simulated_faults import simulated_fault

SimulatedAnswer: TypeAlias = tuple[int, Any]

SIMULATED_ANSWERS = web.AppKey("simulated_answers", MutableMapping[PersonKey, SimulatedAnswer])
TOKENS = web.AppKey("tokens", TokenEndpoint)

CLIENT_ID = "bouquet-gip-mds"
CLIENT_SECRET = "simulateur-gip-mds"
FIXED = {"listeCodeNature": "89", "comparaisonCertifiee": "1"}
ASKED_WITH = {"nom", "prenom", "dateNaissance", *FIXED}


def app() -> web.Application:
    app = simulator_app()
    app[SIMULATED_ANSWERS] = {}
    app[TOKENS] = TokenEndpoint({CLIENT_ID: CLIENT_SECRET})
    app.add_routes([web.post("/token", app[TOKENS].issue), web.get("/contrats-generique", _contracts)])
    return app


def settings(base_url: str) -> dict[str, str]:
    """Returns the environment variables that make a worker call the simulator at `base_url`."""
    return {
        "BOUQUET_GIP_MDS_BASE_URL": base_url,
        "BOUQUET_GIP_MDS_CLIENT_ID": CLIENT_ID,
        "BOUQUET_GIP_MDS_CLIENT_SECRET": CLIENT_SECRET,
    }


simulator = Simulator(provider="gip_mds", app=app, settings=settings)


def key_of(query: Mapping[str, str]) -> PersonKey:
    return PersonKey(query["nom"], query["prenom"].lower(), query["dateNaissance"])


async def _contracts(request: web.Request) -> web.StreamResponse:
    if not request.app[TOKENS].accepts(request):
        return web.Response(status=401)
    if request.content_type != "application/json":
        return web.Response(status=415)
    query = dict(request.query)
    if query.keys() != ASKED_WITH or not FIXED.items() <= query.items():
        return web.json_response(error("KO_PARAMETRE"), status=400)
    if fault := await simulated_fault(request, query["nom"]):
        return fault
    key = key_of(query)
    status, body = request.app[SIMULATED_ANSWERS].get(key) or _answer(key, request.app[CLOCK]().year)
    return web.json_response(body, status=status)


def _answer(key: PersonKey, year: int) -> SimulatedAnswer:
    """Returns the HTTP status and the body of the answer about a person; `year` is the present calendar year."""
    match PEOPLE.get(key):
        case None if key == NAMESAKES:
            return 413, error("TOO_MANY_INDIVIDU")
        case None:
            return 404, error("NOT_FOUND_INDIVIDU")
        case ():
            return 404, error("NOT_FOUND_CONTRAT")
        case contracts:
            return 200, file_of(contracts, year)
