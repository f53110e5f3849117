"""Simulator of the ministry of education's school API (docs/reference/upstreams/men.md). Its pupils are in `personas`.
A test sets the answer about a pupil by `app[SIMULATED_ANSWERS][key_of(…)] = (status, body)`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, MutableMapping
from datetime import date
from typing import Any, TypeAlias

from aiohttp import web

from bouquet_men.personas import BY_KEY, SCHOOLS, Persona, PupilKey, School, key_of
from bouquet_worker.simulate import CLOCK, Simulator, TokenEndpoint, simulator_app
from bouquet_worker.simulated_faults import simulated_fault

SimulatedAnswer: TypeAlias = tuple[int, Any]

SIMULATED_ANSWERS = web.AppKey("simulated_answers", MutableMapping[PupilKey, SimulatedAnswer])
TOKENS = web.AppKey("tokens", TokenEndpoint)

CLIENT_ID = "bouquet-men"
CLIENT_SECRET = "simulateur-men"
EXPIRES_IN_S = 300
GRANT_EXTRAS = {"refresh_expires_in": 0, "not-before-policy": 0, "scope": ""}

SCHOOL_YEAR = re.compile(r"\d{4}(-\d{4})?", re.ASCII)
SCOPE = "men_statut_scolarite,men_statut_boursier,men_echelon_bourse"
PUPIL = ("nom", "prenom", "sexe", "date-naissance", "annee-scolaire", "scope")
BY_SCHOOL = {*PUPIL, "code-uai"}
BY_PERIMETER = {*PUPIL, "degre-etablissement", "type-perimetre", "valeurs-perimetre"}


def app() -> web.Application:
    app = simulator_app()
    app[SIMULATED_ANSWERS] = {}
    app[TOKENS] = TokenEndpoint({CLIENT_ID: CLIENT_SECRET}, expires_in_s=EXPIRES_IN_S)
    app.add_routes(
        [
            web.post("/token", _token),
            web.get("/scolarites", _by_school),
            web.post("/scolarites/perimetre", _by_perimeter),
        ]
    )
    return app


def settings(base_url: str) -> dict[str, str]:
    """Returns the environment variables that make a worker call the simulator at `base_url`."""
    return {
        "BOUQUET_MEN_URL": f"{base_url}/scolarites",
        "BOUQUET_MEN_TOKEN_URL": f"{base_url}/token",
        "BOUQUET_MEN_CLIENT_ID": CLIENT_ID,
        "BOUQUET_MEN_CLIENT_SECRET": CLIENT_SECRET,
    }


simulator = Simulator(provider="men", app=app, settings=settings)


async def _token(request: web.Request) -> web.Response:
    """Answers a request for an access token as the token server Keycloak does."""
    issued = await request.app[TOKENS].issue(request)
    return web.json_response(json.loads(issued.text or "{}") | GRANT_EXTRAS, status=issued.status)


async def _by_school(request: web.Request) -> web.StreamResponse:
    asked: dict[str, Any] = dict(request.query)
    if request.query.keys() != BY_SCHOOL or asked["sexe"] not in ("1", "2"):
        return _malformed()
    school = SCHOOLS.get(asked["code-uai"])
    if school is None:
        return _not_found(request, f"/simulateur/ramsese/{asked['code-uai']}", "établissement inconnu du simulateur")
    return await _answer(request, asked | {"sexe": int(asked["sexe"])}, lambda other: other is school)


async def _by_perimeter(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    if asked.keys() != BY_PERIMETER or asked["sexe"] not in (1, 2) or not isinstance(asked["valeurs-perimetre"], list):
        return _malformed()
    perimeter = asked["degre-etablissement"], asked["type-perimetre"], asked["valeurs-perimetre"]
    return await _answer(request, asked, lambda school: school.covered_by(*perimeter))


async def _answer(request: web.Request, asked: dict[str, Any], within: Callable[[School], bool]) -> web.StreamResponse:
    if not request.app[TOKENS].accepts(request):
        return web.Response(status=401)
    if not request.headers.get("X-Siret-Partenaire") or request.content_type != "application/json":
        return web.Response(status=403)
    if asked["scope"] != SCOPE or not SCHOOL_YEAR.fullmatch(asked["annee-scolaire"]):
        return _malformed()
    if fault := await simulated_fault(request, asked["nom"]):
        return fault
    who = key_of(asked["nom"], asked["prenom"], asked["sexe"], asked["date-naissance"])
    if who in request.app[SIMULATED_ANSWERS]:
        return _json_as_text(*request.app[SIMULATED_ANSWERS][who])
    persona = BY_KEY.get(who)
    if persona is None or not within(persona.school):
        return _not_found(request, "/simulateur/eleves", "élève inconnu du simulateur")
    return _json_as_text(*_answer_about(persona, asked["annee-scolaire"][:4], request.app[CLOCK]()))


def _answer_about(persona: Persona, year: str, today: date) -> SimulatedAnswer:
    if persona.scolarite is None:
        return 404, {
            "type": "Accès interdit à la ressource",
            "title": "L'élève est hors périmètre",
            "detail": "Postbac hors périmètre.",
            "status": "FORBIDDEN",
            "date-time": f"{today} 08:00:00",
        }
    identification = {
        "nom": persona.who.nom,
        "prenom": persona.who.prenom,
        **{f"prenom{rank}": name for rank, name in enumerate(persona.other_names, start=2)},
        "sexe": persona.who.sexe,
        "date-naissance": persona.who.naissance,
        "etablissement": {"code-uai": persona.school.uai, "ministere-tutelle": persona.school.ministry},
        "annee-scolaire": year,
    }
    bourse = {} if persona.bourse is None else {"info-bourse": persona.bourse}
    return 200, {"identification": identification, "info-scolarite": persona.scolarite, **bourse}


def _json_as_text(status: int, body: Any) -> web.Response:
    """Returns a JSON answer with the wrong content type `text/plain`, as the ministry of education does."""
    return web.Response(status=status, text=json.dumps(body, ensure_ascii=False), content_type="text/plain")


def _not_found(request: web.Request, instance: str, detail: str) -> web.Response:
    error = {
        "type": "Erreur backend",
        "title": "Un service web répond avec une erreur",
        "detail": detail,
        "instance": instance,
        "status": "NOT_FOUND",
        "date-time": f"{request.app[CLOCK]()}",
    }
    return _json_as_text(404, error)


def _malformed() -> web.Response:
    return _json_as_text(400, {"type": "Erreur client", "title": "Paramètres erronés", "status": "BAD_REQUEST"})
