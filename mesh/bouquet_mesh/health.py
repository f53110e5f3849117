"""HTTP routes that every process has for its operators: `/livez`, `/readyz` and `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec
from aiohttp import web

from bouquet_mesh.http.sliced import SlicedResponse
from bouquet_mesh.observe.metrics import exposition

ReadinessCheck: TypeAlias = Callable[[], Mapping[str, object]]
"""Function that returns the reasons why a process is not ready, or an empty mapping if the process is ready. `/readyz`
sends these reasons as its body."""


def probe_routes(unmet_condition: ReadinessCheck) -> list[web.RouteDef]:
    """Returns the routes of the two probes. `/livez` always answers 200. `/readyz` answers 200 if the process is ready,
    otherwise 503 with the reasons that `unmet_condition` returns."""

    async def livez(_: web.Request) -> web.Response:
        return _json({"status": "alive"}, 200)

    async def readyz(_: web.Request) -> web.Response:
        lacks = unmet_condition()
        return _json(lacks, 503) if lacks else _json({"status": "ready"}, 200)

    return [web.get("/livez", livez), web.get("/readyz", readyz)]


def metrics_route(refresh: Callable[[], object] = lambda: None) -> web.RouteDef:
    """Returns the route `/metrics`. Each request to the route first calls `refresh`, which brings gauges up to date."""

    async def answer(request: web.Request) -> web.StreamResponse:
        refresh()
        body, content_type = exposition(request.headers.get("Accept", ""))
        return SlicedResponse(body, headers={"Content-Type": content_type})

    return web.get("/metrics", answer)


def _json(payload: Mapping[str, object], status: int) -> web.Response:
    body = msgspec.json.encode(payload)
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")
