"""Simulator of the scholarship API of Cnous (docs/reference/upstreams/cnous.md). Its students are in `personas`. A test
sets another answer about an INE or a birth name (`key`) by `app[SIMULATED_ANSWERS][key] = (status, body)`."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import date

from aiohttp import web

from bouquet_cnous.personas import (
    BAD_REQUEST,
    NOT_FOUND,
    STUDENTS,
    UNUSUAL_ANSWERS,
    SimulatedAnswer,
    Student,
    record_of,
)
from bouquet_worker.simulate import CLOCK, Simulator, TokenEndpoint, simulator_app
from bouquet_worker.simulated_faults import simulated_fault

CLIENT_ID = "bouquet-cnous"
CLIENT_SECRET = "simulateur-cnous"
EXPIRES_IN_S = 7200

NEEDED = {"lastName", "firstNames", "birthDate"}
SEARCHED_BY = {*NEEDED, "birthPlace", "civility", "campaignYear"}
NEEDED_OF_A_SESSION = {"family_name", "given_name", "birthdate", "birthplace"}
SEARCHED_BY_SESSION = {*NEEDED_OF_A_SESSION, "gender", "campaignYear"}

SIMULATED_ANSWERS = web.AppKey("simulated_answers", MutableMapping[str, SimulatedAnswer])
TOKENS = web.AppKey("tokens", TokenEndpoint)


def cnous_app() -> web.Application:
    app = simulator_app()
    app[SIMULATED_ANSWERS] = dict(UNUSUAL_ANSWERS)
    app[TOKENS] = TokenEndpoint({CLIENT_ID: CLIENT_SECRET}, expires_in_s=EXPIRES_IN_S)
    app.add_routes(
        [
            web.post("/token", _token),
            web.post("/v1/boursier/donnees-pivots", _by_identity),
            web.get("/v1/boursier/find", _by_france_connect, allow_head=False),
            web.get("/v1/boursier/{ine}", _by_ine, allow_head=False),
        ]
    )
    return app


def settings(base_url: str) -> dict[str, str]:
    """Returns the environment variables that make a worker call the simulator at `base_url`."""
    return {
        "BOUQUET_CNOUS_BASE_URL": base_url,
        "BOUQUET_CNOUS_TOKEN_URL": f"{base_url}/token",
        "BOUQUET_CNOUS_CLIENT_ID": CLIENT_ID,
        "BOUQUET_CNOUS_CLIENT_SECRET": CLIENT_SECRET,
    }


simulator = Simulator(provider="cnous", app=cnous_app, settings=settings)


async def _token(request: web.Request) -> web.StreamResponse:
    """Answers a request for an OAuth 2.0 token. Like Cnous, refuses a request that has a body."""
    if await request.read():
        return web.json_response(BAD_REQUEST, status=400)
    return await request.app[TOKENS].issue(request)


async def _by_ine(request: web.Request) -> web.StreamResponse:
    ine, year = request.match_info["ine"], request.query.get("campaignYear")
    if not request.query.keys() <= {"campaignYear"} or (year and not year.isdecimal()):
        return _malformed()
    student = next((student for student in STUDENTS if student.ine == ine), None)
    return await _answer(request, ine, student, int(year) if year else None)


async def _by_identity(request: web.Request) -> web.StreamResponse:
    """Answers a search by civil status: with an array of one scholarship, or with 404 if none is found."""
    asked = await request.json()
    if not NEEDED <= asked.keys() <= SEARCHED_BY:
        return _malformed()
    words = (asked["lastName"], asked["firstNames"], asked["birthDate"])
    student = _named(*words, asked.get("civility", ""), asked.get("birthPlace", ""))
    return await _answer(request, asked["lastName"], student, asked.get("campaignYear"), array=True)


async def _by_france_connect(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    if not NEEDED_OF_A_SESSION <= asked.keys() <= SEARCHED_BY_SESSION:
        return _malformed()
    words = (asked["family_name"], asked["given_name"], asked["birthdate"])
    student = _named(*words, asked.get("gender", ""), asked["birthplace"])
    return await _answer(request, asked["family_name"], student, asked.get("campaignYear"))


def _malformed() -> web.Response:
    return web.json_response(BAD_REQUEST, status=400)


def _named(*asked: str) -> Student | None:
    return next((student for student in STUDENTS if student.is_named(*asked)), None)


async def _answer(
    request: web.Request, key: str, student: Student | None, campaign_year: int | None, *, array: bool = False
) -> web.StreamResponse:
    if not request.app[TOKENS].accepts(request):
        return web.Response(status=401)
    if fault := await simulated_fault(request, key):
        return fault
    status, body = request.app[SIMULATED_ANSWERS].get(key.upper()) or _answer_about(
        student, campaign_year, request.app[CLOCK]()
    )
    return web.json_response([body] if array and status == 200 and isinstance(body, dict) else body, status=status)


def _answer_about(student: Student | None, campaign_year: int | None, today: date) -> SimulatedAnswer:
    record = record_of(student, campaign_year, today) if student else None
    return (200, record) if record else (404, NOT_FOUND)
