"""Endpoint of dossiers: several lookups in one request (docs/adr/0019-dossiers.md)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import msgspec
from aiohttp import web

from bouquet_gateway.call import Call
from bouquet_gateway.dossiers.open import Dossiers
from bouquet_gateway.dossiers.read import MAX_BODY_BYTES
from bouquet_gateway.dossiers.result import Result, is_complete
from bouquet_gateway.dossiers.run import Dossier
from bouquet_gateway.http.endpoints import plain_request, read_body
from bouquet_gateway.http.middlewares import CALL, headers_of
from bouquet_gateway.http.responses import json_response
from bouquet_gateway.journal.record import Journal

LINES = "application/x-ndjson"
"""Media type of an answer of several lines, each of which is a JSON object."""


class DossierEndpoint:
    """Endpoint that answers dossiers (several lookups in one request) with one JSON object. A client that accepts
    `application/x-ndjson` gets one line of JSON per lookup instead, as soon as the result is known."""

    # A last line has `links` and `meta`.

    def __init__(self, dossiers: Dossiers, journal: Journal) -> None:
        self._dossiers = dossiers
        self._journal = journal

    async def post(self, request: web.Request) -> web.StreamResponse:
        call = request[CALL]
        call.operation = "dossiers"
        self._journal.begin(call)
        body = await read_body(request, MAX_BODY_BYTES)
        dossier = await self._dossiers.open(body, plain_request(request), call)
        call.is_recorded = False  # each part leaves a record of its own
        return await (_lines(request, dossier) if _accepts_lines(request) else _whole(request, dossier))


async def _whole(request: web.Request, dossier: Dossier) -> web.StreamResponse:
    results: dict[str, Result] = {}

    async def keep(name: str, result: Result) -> None:
        results[name] = result

    await dossier.run(keep, _is_connected(request))
    data = {part.name: results[part.name] for part in dossier.plan.parts if part.name in results}
    return json_response({"data": data} | _ending(request[CALL], results.values()))


async def _lines(request: web.Request, dossier: Dossier) -> web.StreamResponse:
    call, results = request[CALL], list[Result]()
    response = web.StreamResponse(headers={**headers_of(call), "Content-Type": LINES, "Cache-Control": "no-store"})
    await response.prepare(request)

    async def write(name: str, result: Result) -> None:
        results.append(result)
        await write_line({"data": {name: result}})

    async def write_line(line: object) -> None:
        with suppress(ConnectionError):  # of a client that has hung up
            await response.write(_one_line(msgspec.json.encode(line)))

    await dossier.run(write, _is_connected(request))
    await write_line(_ending(call, results))
    return response


def _one_line(text: bytes) -> bytes:
    """Returns a JSON text as one line, with a line break at its end."""
    # A provider's data is passed on as the provider wrote it: after a line break, it could give the line of another
    # provider's part.
    return text.translate(None, b"\r\n") + b"\n"


def _accepts_lines(request: web.Request) -> bool:
    media_types = (accepted.partition(";")[0].strip() for accepted in request.headers.get("Accept", "").split(","))
    return LINES in media_types


def _is_connected(request: web.Request) -> Callable[[], bool]:
    return lambda: request.transport is not None


def _ending(call: Call, results: Iterable[Result]) -> dict[str, object]:
    """Returns the members `links` and `meta` of the answer to a dossier. `meta` has the duration in milliseconds, and
    `complete`: whether all lookups have ended with data or "not found"."""
    duration_ms = round((time.perf_counter() - call.began) * 1000)
    return {"links": {}, "meta": {"complete": all(map(is_complete, results)), "duration_ms": duration_ms}}
