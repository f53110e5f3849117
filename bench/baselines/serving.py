"""Plain aiohttp server without an access log, on which the baselines `hello` and `proxy` run."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from bouquet_mesh.signals import stop_requested


async def serve(routes: Iterable[web.RouteDef], port: int) -> None:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    try:
        await stop_requested()
    finally:
        await runner.cleanup()
