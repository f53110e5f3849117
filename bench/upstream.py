"""Fast stand-in for two servers: a provider's API (upstream) with its token endpoint, and a collector of traces."""

from __future__ import annotations

import sys

import uvloop
from aiohttp import web

from bench.lookup import UPSTREAM_BODY, UPSTREAM_HEADERS
from bouquet_mesh.signals import stop_requested

TOKEN = b'{"access_token":"5ec2e7","token_type":"Bearer","expires_in":86400}'
JSON = {"Content-Type": "application/json"}


async def answer(request: web.BaseRequest) -> web.Response:
    """Answers `/qf` with the data of one family, `/token` with a token, and `/v1/traces` with an empty response."""
    match request.path:
        case "/qf":
            return web.Response(body=UPSTREAM_BODY, headers=UPSTREAM_HEADERS)
        case "/token":
            return web.Response(body=TOKEN, headers=JSON)
        case "/v1/traces":
            await request.read()
            return web.Response()
        case _:
            return web.Response(status=404)


async def serve(port: int) -> None:
    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    try:
        await stop_requested()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
