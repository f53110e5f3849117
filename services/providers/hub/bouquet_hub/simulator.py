"""Simulator of the social-security hub for the CAF or the MSA (docs/reference/upstreams/hub.md). Its people are in
`personas`. A test adds a person by `app[SIMULATED_ANSWERS][civil_status] = answer`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import TypeAlias

from aiohttp import web

from bouquet_hub.personas import (
    OUT_OF_PERIOD,
    RNCPS_CODE,
    UNIDENTIFIED,
    CivilStatus,
    File,
    Fund,
    Refusal,
    SimulatedAnswer,
    answers_of_personas,
    person_asked_for,
    scripted_answer,
)
from bouquet_proto.identity import FRANCE
from bouquet_worker.simulate import CLOCK, Fault, TokenEndpoint, respond_with_fault, simulator_app

SIMULATED_ANSWERS = web.AppKey("simulated_answers", dict[CivilStatus, SimulatedAnswer])
TOKENS = web.AppKey("tokens", TokenEndpoint)
FUND = web.AppKey("fund", Fund)

SCOPE = "simulateur.quotient_familial"
# Its base64 has a character that the URL-safe alphabet writes otherwise (docs/reference/upstreams/hub.md §4).
CLIENT_SECRET = "s3cr3t?????"

Format: TypeAlias = tuple[str, str, int, str]
"""Rule by which the simulator checks a query parameter: the parameter's name, the pattern of valid values, and the
error code and message for an invalid value."""
PERSON_FORMATS: tuple[Format, ...] = (
    # docs/reference/upstreams/hub.md §3, known error codes; the texts of 40001 and 40005 are ours, and 40001 for a
    # place.
    ("nomNaissance", r"[\x20-\x7e]+", 40003, "Format du nom erroné"),
    ("listePrenoms", r"[\x20-\x7e]*", 40005, "Format du prénom erroné"),
    ("genre", "[MF]?", 40013, "Civilité invalide"),
    ("dateNaissance", r"\d{4}-\d{2}-\d{2}", 40001, "Format de la date de naissance erroné"),
    ("nomUsage", r"[\x20-\x7e]*", 40003, "Format du nom erroné"),
    ("codeLieuNaissance", r"(\d[\dAB]\d{3})?", 40001, "Format du lieu de naissance erroné"),
    ("codePaysNaissance", r"(99\d{3})?", 40001, "Format du pays de naissance erroné"),
    ("villeNaissance", ".*", 40001, "Format du lieu de naissance erroné"),
    ("depNaissance", r"(\d[\dAB]\d?)?", 40001, "Format du département de naissance erroné"),
)
MONTH_FORMATS: tuple[Format, ...] = (
    ("anneeDemandee", r"\d{4}", 40001, "Format de l'année demandée erroné"),
    ("moisDemande", r"0[1-9]|1[0-2]", 40001, "Format du mois demandé erroné"),
)
NAMELESS = Refusal(400, 40002, "Nom de naissance ou nom d'usage absent")
UNKNOWN_PARAMETER = Refusal(400, 40000, "Paramètre inconnu")
ABROAD = Refusal(400, 40001, "Une commune ne se donne que pour une naissance en France")


def hub_app(fund: Fund) -> web.Application:
    """Returns the simulator of the social-security hub for the provider `fund`, CAF or MSA."""
    app = simulator_app()
    app[FUND] = fund
    app[SIMULATED_ANSWERS] = answers_of_personas(fund)
    app[TOKENS] = TokenEndpoint({_client_id(fund): CLIENT_SECRET})
    app.add_routes([web.post("/token", _token), web.get("/qf", _quotient)])
    return app


def hub_settings(fund: Fund, base_url: str) -> dict[str, str]:
    """Returns the environment variables that make the worker of the provider `fund` call the simulator at
    `base_url`."""
    prefix = f"BOUQUET_{fund.provider.upper()}_HUB_"
    return {
        f"{prefix}URL": f"{base_url}/qf",
        f"{prefix}TOKEN_URL": f"{base_url}/token",
        f"{prefix}CLIENT_ID": _client_id(fund),
        f"{prefix}CLIENT_SECRET": CLIENT_SECRET,
        f"{prefix}SCOPE": SCOPE,
    }


def _client_id(fund: Fund) -> str:
    return f"bouquet-{fund.provider}"


async def grant(request: web.Request, endpoints: Mapping[str, TokenEndpoint]) -> web.StreamResponse:
    """Answers a request for an OAuth 2.0 token (docs/reference/upstreams/hub.md §1). `endpoints` holds the token
    endpoint of each scope. Answers 400 for an unknown scope, or for another grant type than `client_credentials`."""
    form = await request.post()
    endpoint = endpoints.get(str(form.get("scope")))
    if form.get("grant_type") != "client_credentials" or endpoint is None:
        return web.json_response({"error": "invalid_scope"}, status=400)
    return await endpoint.issue(request)


async def _token(request: web.Request) -> web.StreamResponse:
    return await grant(request, {SCOPE: request.app[TOKENS]})


async def _quotient(request: web.Request) -> web.StreamResponse:
    if not request.app[TOKENS].accepts(request):
        return web.Response(status=401)
    fund = request.app[FUND]
    who = person_asked_for(request.query)
    refusal = objection(request.query, PERSON_FORMATS + MONTH_FORMATS) or _future(request)
    people = reversed(request.app[SIMULATED_ANSWERS].items())  # people that a test adds come first
    known = next((answer for one, answer in people if one.matches(who)), UNIDENTIFIED)
    match refusal or scripted_answer(who, fund) or known:
        case Fault() as fault:
            return await respond_with_fault(request, fault)
        case Refusal() as refusal:
            return refused(refusal, fund.code)
        case File(body):
            return web.json_response(_month_before(request) | dict(body), headers={"X-APISECU-FD": fund.code})


def objection(query: Mapping[str, str], formats: tuple[Format, ...] = PERSON_FORMATS) -> Refusal | None:
    """Returns the social-security hub's error for an invalid query, or `None` for a valid one
    (docs/reference/upstreams/hub.md §3). `formats` are the rules for the parameters' values."""
    if not query.keys() <= {name for name, *_ in formats}:
        return UNKNOWN_PARAMETER
    if query.get("codeLieuNaissance") and query.get("codePaysNaissance") != FRANCE:
        return ABROAD
    if not query.get("nomNaissance") and not query.get("nomUsage"):
        return NAMELESS
    wrong = ((code, text) for name, form, code, text in formats if not re.fullmatch(form, query.get(name, "")))
    return next((Refusal(400, code, text) for code, text in wrong), None)


def _future(request: web.Request) -> Refusal | None:
    today = request.app[CLOCK]()
    return OUT_OF_PERIOD if _month_asked(request) > (today.year, today.month) else None


def _month_asked(request: web.Request) -> tuple[int, int]:
    return int(request.query["anneeDemandee"]), int(request.query["moisDemande"])


def _month_before(request: web.Request) -> dict[str, int]:
    """Returns the month before the requested month, as `annee` and `mois` of the hub's JSON
    (docs/reference/upstreams/cnaf.md §4)."""
    # In this month, the simulated quotient was computed.
    year, month = _month_asked(request)
    before = date(year, month - 1, 1) if month > 1 else date(year - 1, 12, 1)
    return {"annee": before.year, "mois": before.month}


def refused(refusal: Refusal, fund_code: str) -> web.Response:
    """Returns the HTTP answer for a simulated error of the social-security hub. `fund_code` is the code of the provider
    that was asked."""
    code = {"nobody": "", "fund": fund_code, "rncps": RNCPS_CODE}[refusal.signed_by]
    return web.json_response(
        {"errorCode": refusal.code, "error": refusal.text},
        status=refusal.status,
        headers={"X-APISECU-FD": code} if code else {},
    )
