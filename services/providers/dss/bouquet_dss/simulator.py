"""The hub as it answers for eight prestations, in its dialect (docs/reference/upstreams/hub.md): `POST /token`, then
`GET /rsa` and so on.

Who is known there, and how to make it fail: `personas`. A test makes it say anything else with `app[TOLD][…] = …`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from aiohttp import web

from bouquet_dss.personas import Told, staged, told_of
from bouquet_dss.worker import PRESTATIONS
from bouquet_hub.personas import UNIDENTIFIED, File, Refusal, Who, who_asked
from bouquet_hub.simulator import CLIENT_SECRET, grant, objection, refused
from bouquet_worker.simulate import CLOCK, Fault, Simulator, TokenEndpoint, respond_with_fault, simulator_app

TOLD = web.AppKey("told", dict[tuple[str, Who], Told])
DESKS = web.AppKey("desks", Mapping[str, TokenEndpoint])
"""By scope."""

NOBODY = Told(UNIDENTIFIED, "")


def dss_app() -> web.Application:
    app = simulator_app()
    app[TOLD] = {}
    app[DESKS] = {scope_of(name): TokenEndpoint({client_of(name): CLIENT_SECRET}) for name in PRESTATIONS}
    app.add_routes([web.post("/token", _token), *(web.get(f"/{name}", partial(_answer, name)) for name in PRESTATIONS)])
    return app


def settings(base_url: str) -> dict[str, str]:
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
    return await grant(request, request.app[DESKS])


async def _answer(prestation: str, request: web.Request) -> web.StreamResponse:
    """A token of another prestation opens nothing."""
    if not request.app[DESKS][scope_of(prestation)].accepts(request):
        return web.Response(status=401)
    if objected := objection(request.query):
        return refused(objected, "")
    told = _told(request, prestation, who_asked(request.query))
    match told.said:
        case Fault() as fault:
            return await respond_with_fault(request, fault)
        case Refusal() as refusal:
            return refused(refusal, told.signature)
        case File(body):
            return web.json_response(dict(body), headers=_signed(told.signature))


def _told(request: web.Request, prestation: str, who: Who) -> Told:
    today = request.app[CLOCK]()
    told = reversed(request.app[TOLD].items())
    scripted = next((said for (name, one), said in told if name == prestation and one.is_meant_by(who)), None)
    return scripted or staged(who, prestation, today) or told_of(who, prestation, today) or NOBODY


def _signed(signature: str) -> dict[str, str]:
    return {"X-APISECU-FD": signature} if signature else {}
