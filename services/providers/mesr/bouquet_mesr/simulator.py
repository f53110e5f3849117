"""Simulator of the ministry of higher education's student API (docs/reference/upstreams/mesr.md). Its students are in
`personas`. A test sets the answer about an INE (student number) or a birth name by `app[SIMULATED_ANSWERS][ine_or_name]
= (status, body)`."""

from __future__ import annotations

from collections.abc import MutableMapping

from aiohttp import web

from bouquet_mesr.personas import (
    INE_UNKNOWN,
    PERSON_UNKNOWN,
    STUDENTS,
    UNUSUAL_ANSWERS,
    WRONG,
    SimulatedAnswer,
    complaint,
    file_of,
)
from bouquet_proto.rules.study import INE
from bouquet_worker.simulate import CLOCK, Simulator, simulator_app
from bouquet_worker.simulated_faults import simulated_fault

PATH = "/api/etudiant"
INE_KEY = "simulateur-mesr-ine"
IDENTITE_KEY = "simulateur-mesr-identite"
NEEDED = {"nomFamille", "prenom1", "dateNaissance"}
SEARCHED_BY = {*NEEDED, "sexe", "lieuNaissance"}
KEYS = {"GET": INE_KEY, "POST": IDENTITE_KEY}

SIMULATED_ANSWERS = web.AppKey("simulated_answers", MutableMapping[str, SimulatedAnswer])


def mesr_app() -> web.Application:
    app = simulator_app()
    app[SIMULATED_ANSWERS] = dict(UNUSUAL_ANSWERS)
    app.add_routes([web.get(PATH, _by_ine, allow_head=False), web.post(PATH, _by_identity)])
    return app


def settings(base_url: str) -> dict[str, str]:
    """Returns the environment variables that make a worker call the simulator at `base_url`."""
    return {
        "BOUQUET_MESR_URL": base_url + PATH,
        "BOUQUET_MESR_INE_KEY": INE_KEY,
        "BOUQUET_MESR_IDENTITE_KEY": IDENTITE_KEY,
    }


simulator = Simulator(provider="mesr", app=mesr_app, settings=settings)


async def _by_ine(request: web.Request) -> web.StreamResponse:
    ine = request.query.get("INE", "")
    if request.query.keys() != {"INE"}:
        return web.json_response(complaint("GET", WRONG), status=400)
    student = next((student for student in STUDENTS if student.ine == ine), None)
    if student:
        known = (200, {"ine": ine} | file_of(student, request.app[CLOCK]()))
    elif INE.fullmatch(ine) and ine == ine.upper():
        known = (404, complaint("GET", INE_UNKNOWN, ine))
    else:
        known = UNUSUAL_ANSWERS["REFUS"]
    return await _answer(request, ine, known)


async def _by_identity(request: web.Request) -> web.StreamResponse:
    asked = await request.json()  # whatever the content type (docs/reference/upstreams/shared.md §3)
    if not NEEDED <= asked.keys() <= SEARCHED_BY or not all(isinstance(value, str) for value in asked.values()):
        return web.json_response(complaint("POST", WRONG), status=400)
    student = next((student for student in STUDENTS if student.matches(asked)), None)
    known = (200, file_of(student, request.app[CLOCK]())) if student else (404, complaint("POST", PERSON_UNKNOWN))
    return await _answer(request, asked["nomFamille"], known)


async def _answer(request: web.Request, key: str, known: SimulatedAnswer) -> web.StreamResponse:
    """Answers a request about `key`, a birth name or an INE (student number). The answer is `known`, unless `key`
    causes a fault or a test has set another answer for `key`."""
    names_caller = request.headers.get("X-Caller", "").startswith("DINUM - ")
    if not names_caller or request.headers.get("X-API-Key") != KEYS[request.method]:
        return web.Response(status=401)
    if fault := await simulated_fault(request, key):
        return fault
    status, body = request.app[SIMULATED_ANSWERS].get(key.upper(), known)
    return web.json_response(body, status=status)
