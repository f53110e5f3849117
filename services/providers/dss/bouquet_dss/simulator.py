"""Simulator of the social-security hub for eight benefits (docs/reference/upstreams/hub.md). Its people are in
`personas`. A test sets the answer about a benefit and a person by `app[SIMULATED_ANSWERS][benefit, civil_status] =
SignedAnswer(…)`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from aiohttp import web

from bouquet_dss.personas import SignedAnswer, answer_about, scripted_answer
from bouquet_dss.worker import PRESTATIONS
from bouquet_hub.personas import UNIDENTIFIED, CivilStatus, File, Refusal, person_asked_for
from bouquet_hub.simulator import CLIENT_SECRET, grant, objection, refused
from bouquet_worker.simulate import CLOCK, Fault, Simulator, TokenEndpoint, respond_with_fault, simulator_app

SIMULATED_ANSWERS = web.AppKey("simulated_answers", dict[tuple[str, CivilStatus], SignedAnswer])
TOKENS = web.AppKey("tokens", Mapping[str, TokenEndpoint])
"""Key under which the simulator's aiohttp application keeps the token endpoint of each benefit, by OAuth 2.0 scope."""

NOBODY = SignedAnswer(UNIDENTIFIED, "")


def dss_app() -> web.Application:
    app = simulator_app()
    app[SIMULATED_ANSWERS] = {}
    app[TOKENS] = {scope_of(name): TokenEndpoint({client_of(name): CLIENT_SECRET}) for name in PRESTATIONS}
    app.add_routes([web.post("/token", _token), *(web.get(f"/{name}", partial(_answer, name)) for name in PRESTATIONS)])
    return app


def settings(base_url: str) -> dict[str, str]:
    """Returns the environment variables that make a worker call the simulator at `base_url`."""
    own = {
        f"BOUQUET_DSS_{name.upper()}_{setting}": value
        for name in PRESTATIONS
        for setting, value in {
            "URL": f"{base_url}/{name}",
            "CLIENT_ID": client_of(name),
            "CLIENT_SECRET": CLIENT_SECRET,
            "SCOPE": scope_of(name),
        }.items()
    }
    return {"BOUQUET_DSS_HUB_TOKEN_URL": f"{base_url}/token"} | own


simulator = Simulator(provider="dss", app=dss_app, settings=settings)


def client_of(prestation: str) -> str:
    return f"bouquet-{prestation}"


def scope_of(prestation: str) -> str:
    return f"simulateur.{prestation}"


async def _token(request: web.Request) -> web.StreamResponse:
    return await grant(request, request.app[TOKENS])


async def _answer(prestation: str, request: web.Request) -> web.StreamResponse:
    """Answers a request about the benefit `prestation`, such as `rsa`. Answers 401 unless the access token was issued
    for this benefit."""
    if not request.app[TOKENS][scope_of(prestation)].accepts(request):
        return web.Response(status=401)
    if refusal := objection(request.query):
        return refused(refusal, "")
    answer = _answer_about(request, prestation, person_asked_for(request.query))
    match answer.answer:
        case Fault() as fault:
            return await respond_with_fault(request, fault)
        case Refusal() as refusal:
            return refused(refusal, answer.signature)
        case File(body):
            return web.json_response(dict(body), headers=_signed(answer.signature))


def _answer_about(request: web.Request, prestation: str, who: CivilStatus) -> SignedAnswer:
    today = request.app[CLOCK]()
    by_tests = reversed(request.app[SIMULATED_ANSWERS].items())
    scripted = next((answer for (name, one), answer in by_tests if name == prestation and one.matches(who)), None)
    return scripted or scripted_answer(who, prestation, today) or answer_about(who, prestation, today) or NOBODY


def _signed(signature: str) -> dict[str, str]:
    return {"X-APISECU-FD": signature} if signature else {}
