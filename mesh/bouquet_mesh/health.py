"""What a process answers of itself over HTTP: whether it lives, whether it can do its work, and its metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec
from aiohttp import web

from bouquet_mesh.http.sliced import SlicedResponse
from bouquet_mesh.observe.metrics import exposition

Lacking: TypeAlias = Callable[[], Mapping[str, object]]
"""What a process lacks to do its work, as the body of its answer at `/readyz`; empty when it lacks nothing."""


def probes(lacking: Lacking) -> list[web.RouteDef]:
    """`/livez` answers 200 while the process runs; `/readyz` answers 200 while nothing is lacking, otherwise 503."""

    async def livez(_: web.Request) -> web.Response:
        return _json({"status": "alive"}, 200)

    async def readyz(_: web.Request) -> web.Response:
        lacks = lacking()
        return _json(lacks, 503) if lacks else _json({"status": "ready"}, 200)

    return [web.get("/livez", livez), web.get("/readyz", readyz)]


def metrics(refresh: Callable[[], object] = lambda: None) -> web.RouteDef:
    """`/metrics`, in OpenMetrics for clients that accept it. `refresh` sets the gauges that are computed only then."""

    async def answer(request: web.Request) -> web.StreamResponse:
        refresh()
        body, content_type = exposition(request.headers.get("Accept", ""))
        return SlicedResponse(body, headers={"Content-Type": content_type})

    return web.get("/metrics", answer)


def _json(payload: Mapping[str, object], status: int) -> web.Response:
    body = msgspec.json.encode(payload)
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")
