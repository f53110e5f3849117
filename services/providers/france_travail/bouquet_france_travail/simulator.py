"""Simulator of France Travail (docs/reference/upstreams/france_travail.md). Its jobseekers are in `personas`; a test
adds one by `app[SIMULATED_ANSWERS][identifier] = Persona(…)`."""

from __future__ import annotations

import re
from collections.abc import MutableMapping

from aiohttp import web

from bouquet_france_travail.personas import PERSONAS, UNKNOWN, Persona, SimulatedAnswer
from bouquet_worker.simulate import Simulator, TokenEndpoint, simulator_app
from bouquet_worker.simulated_faults import simulated_fault

SIMULATED_ANSWERS = web.AppKey("simulated_answers", MutableMapping[str, Persona])
TOKENS = web.AppKey("tokens", TokenEndpoint)

CLIENT_ID = "bouquet-france-travail"
CLIENT_SECRET = "simulateur-france-travail"
EXPIRES_IN_S = 1499
SCOPES = {"api_statutaugmentev1", "api_liste-paiementsv1", "individuStatutAugmente", f"application_{CLIENT_ID}"}

CONSUMER = re.compile(r"DINUM - [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOBODY = Persona(story="Unknown", statut=UNKNOWN, indemnites=UNKNOWN)


def app() -> web.Application:
    app = simulator_app()
    app[SIMULATED_ANSWERS] = dict(PERSONAS)
    app[TOKENS] = TokenEndpoint({CLIENT_ID: CLIENT_SECRET}, expires_in_s=EXPIRES_IN_S)
    app.add_routes([web.post("/token", _token), web.post("/statut", _statut), web.get("/indemnites", _indemnites)])
    return app


def settings(base_url: str) -> dict[str, str]:
    """Returns the environment variables that make a worker call the simulator at `base_url`."""
    return {
        "BOUQUET_FRANCE_TRAVAIL_STATUT_URL": f"{base_url}/statut",
        "BOUQUET_FRANCE_TRAVAIL_INDEMNITES_URL": f"{base_url}/indemnites",
        "BOUQUET_FRANCE_TRAVAIL_TOKEN_URL": f"{base_url}/token",
        "BOUQUET_FRANCE_TRAVAIL_CLIENT_ID": CLIENT_ID,
        "BOUQUET_FRANCE_TRAVAIL_CLIENT_SECRET": CLIENT_SECRET,
    }


simulator = Simulator(provider="france_travail", app=app, settings=settings)


async def _token(request: web.Request) -> web.Response:
    form = await request.post()
    if set(str(form.get("scope", "")).split()) != SCOPES:
        return web.json_response({"error": "invalid_scope"}, status=400)
    return await request.app[TOKENS].issue(request)


async def _statut(request: web.Request) -> web.StreamResponse:
    identifier = await request.text()  # a bare text: with the quotes of JSON it is no identifier
    return await _objection(request, identifier) or _response(_persona(request, identifier).statut)


async def _indemnites(request: web.Request) -> web.StreamResponse:
    identifier = request.query.get("loginMnemotechnique", "")
    if request.query.keys() != {"loginMnemotechnique"}:
        return web.json_response({"codeErreur": "400", "messageLog": "loginMnemotechnique"}, status=400)
    return await _objection(request, identifier) or _response(_persona(request, identifier).indemnites)


async def _objection(request: web.Request, identifier: str) -> web.StreamResponse | None:
    if not request.app[TOKENS].accepts(request):
        return web.Response(status=401)
    if request.content_type != "application/json":
        return web.Response(status=415)
    if not CONSUMER.fullmatch(request.headers.get("X-pe-consommateur", "")):
        return web.json_response({"codeErreur": "400", "messageLog": "X-pe-consommateur"}, status=400)
    return await simulated_fault(request, identifier)


def _persona(request: web.Request, identifier: str) -> Persona:
    return request.app[SIMULATED_ANSWERS].get(identifier, NOBODY)


def _response(answer: SimulatedAnswer) -> web.Response:
    if answer.body is None:
        return web.Response(status=answer.status)
    return web.json_response(answer.body, status=answer.status)
