"""Simulator of the upstream: `GET /files?number=…`, with a key. Its people, in `FILES`, are invented, and a number
like `PANNE-HTML` makes it fail (bouquet_worker.simulated_faults). What `bouquet-worker record` wrote to the folder
`recorded` is answered too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from bouquet_worker.simulate import Simulator, recorded_answers, simulator_app
from bouquet_worker.simulated_faults import simulated_fault

KEY = "simulated-key"

FILES: dict[str, dict[str, Any]] = {
    # An ordinary file.
    "D-4471820": {
        "number": "D-4471820",
        "state": "O",
        "openedAt": "2021-09-01T00:00:00+02:00",
        "holder": {"lastName": "KERVALLAN", "firstName": "MAELYS"},
    },
    # The upstream writes a blank for an unknown first name.
    "D-3390456": {
        "number": "D-3390456",
        "state": "S",
        "openedAt": "2019-02-28",
        "holder": {"lastName": "PEYREFITTE", "firstName": " "},
    },
    # A state that the upstream's documentation does not name.
    "D-6083317": {
        "number": "D-6083317",
        "state": "X",
        "openedAt": "2020-05-17",
        "holder": {"lastName": "AUBRAIS"},
    },
}


def app() -> web.Application:
    app = simulator_app(recorded_answers(Path(__file__).parent / "recorded"))
    app.router.add_get("/files", _file)
    return app


def settings(base_url: str) -> dict[str, str]:
    """Returns the environment variables that make a worker call the simulator."""
    return {"BOUQUET_ACME_URL": base_url, "BOUQUET_ACME_KEY": KEY}


simulator = Simulator(provider="acme", app=app, settings=settings)


async def _file(request: web.Request) -> web.StreamResponse:
    if request.headers.get("X-Api-Key") != KEY:
        return web.json_response({"error": "unknown key"}, status=401)
    if request.query.keys() != {"number"}:
        return web.json_response({"error": "unknown parameter"}, status=400)
    number = request.query["number"]
    if (fault := await simulated_fault(request, number)) is not None:
        return fault
    if number not in FILES:
        return web.json_response({"error": "no such file"}, status=404)
    return web.json_response(FILES[number])
