"""A server in a process of its own, under the loop that a gateway runs on or under asyncio's.

Its arguments: the loop, the limits in JSON, and perhaps how many descriptors it may have. It writes its port, and ends
with its standard input.
"""

from __future__ import annotations

import asyncio
import resource
import sys

import msgspec
import uvloop
from aiohttp import web

from bouquet_mesh import descriptors, health
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.http.server import serving
from bouquet_mesh.http.sliced import SlicedResponse

BIG = bytes(900_000)
RUN = {"uvloop": uvloop.run, "asyncio": asyncio.run}


async def echo(request: web.Request) -> web.Response:
    return web.json_response({"path": request.path, "nom": request.query.get("nom", "")})


async def length(request: web.Request) -> web.Response:
    return web.json_response({"length": len(await request.read())})


async def slow(_: web.Request) -> web.Response:
    await asyncio.sleep(1.0)
    return web.json_response({"slow": True})


async def big(_: web.Request) -> web.Response:
    return web.Response(body=BIG)


async def document(_: web.Request) -> SlicedResponse:
    return SlicedResponse(BIG)


async def huge(_: web.Request) -> web.Response:
    return web.Response(body=BIG * 10)


def make_app() -> web.Application:
    app = web.Application()
    app.add_routes(
        [
            health.metrics_route(),
            *health.probe_routes(lambda: {"status": "short"} if descriptors.are_short() else {}),
            web.get("/slow", slow),
            web.get("/big", big),
            web.get("/document", document),
            web.get("/huge", huge),
            web.post("/length", length),
            web.get("/{path:.*}", echo),
        ]
    )
    return app


async def main(limits: Limits) -> None:
    async with serving(make_app(), "127.0.0.1", 0, limits=limits, drain_s=0.1) as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    if len(sys.argv) > 3:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[3]), int(sys.argv[3])))
    RUN[sys.argv[1]](main(msgspec.json.decode(sys.argv[2], type=Limits)))
