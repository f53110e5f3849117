"""HTTP servers for tests, each in a process of its own. The program reads lines from standard input, each a
`ServerOptions` in JSON, and forks a server for each. A server prints its port and process id, and ends when standard
input is closed."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import ssl
import sys

import msgspec
import uvloop
from aiohttp import web

from bouquet_mesh import descriptors, health
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.http.server import serving
from bouquet_mesh.http.sliced import SlicedResponse

BIG = bytes(900_000)


class UvLoop(uvloop.Loop):
    """Event loop whose clock is `ahead_s` seconds ahead."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


class AsyncioLoop(asyncio.SelectorEventLoop):
    """Event loop whose clock is `ahead_s` seconds ahead."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


LOOPS = {"uvloop": UvLoop, "asyncio": AsyncioLoop}
RELEASED = web.AppKey("RELEASED", asyncio.Event)
CHECK_INTERVAL_S = web.AppKey("CHECK_INTERVAL_S", float)
"""Seconds between two checks of the connections' time limits."""


class ServerOptions(msgspec.Struct, frozen=True):
    loop: str
    limits: Limits
    descriptors: int | None = None
    """Limit on the open file descriptors of the server's process; `None` keeps the system's limit."""
    tls: tuple[str, str] | None = None
    """Paths of the certificate and the key, for a server that uses TLS."""


async def echo(request: web.Request) -> web.Response:
    return web.json_response({"path": request.path, "nom": request.query.get("nom", "")})


async def length(request: web.Request) -> web.Response:
    return web.json_response({"length": len(await request.read())})


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(float(request.query.get("seconds", "1")))
    return web.json_response({"slow": True})


async def held(request: web.Request) -> web.Response:
    """Answers only after a request for `/release`."""
    await request.app[RELEASED].wait()
    return web.json_response({"held": True})


async def release(request: web.Request) -> web.Response:
    request.app[RELEASED].set()
    return web.Response()


async def pass_time(request: web.Request) -> web.Response:
    """Sets the clock of the event loop forward by some seconds. Answers once the time limits of all connections have
    been checked by the new time."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, UvLoop | AsyncioLoop)
    loop.ahead_s += float(request.query["seconds"])
    # The check has begun to wait for its interval before, and so ends first.
    await asyncio.sleep(request.app[CHECK_INTERVAL_S])
    return web.Response()


async def big(_: web.Request) -> web.Response:
    return web.Response(body=BIG)


async def document(_: web.Request) -> SlicedResponse:
    return SlicedResponse(BIG)


async def huge(_: web.Request) -> web.Response:
    return web.Response(body=BIG * 10)


def make_app(check_interval_s: float) -> web.Application:
    app = web.Application()
    app[RELEASED], app[CHECK_INTERVAL_S] = asyncio.Event(), check_interval_s
    app.add_routes(
        [
            health.metrics_route(),
            *health.probe_routes(lambda: {"status": "short"} if descriptors.are_short() else {}),
            web.get("/slow", slow),
            web.get("/held", held),
            web.get("/release", release),
            web.get("/pass_time", pass_time),
            web.get("/big", big),
            web.get("/document", document),
            web.get("/huge", huge),
            web.post("/length", length),
            web.get("/{path:.*}", echo),
        ]
    )
    return app


async def serve(options: ServerOptions, ends: int) -> None:
    """Serves HTTP until the write end of a pipe is closed. `ends` is the file descriptor of the pipe's read end."""
    tls = None
    if options.tls is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(*options.tls)
    limits, app = options.limits, make_app(options.limits.check_interval_s)
    async with serving(app, "127.0.0.1", 0, limits=limits, drain_s=0.1, tls=tls) as port:
        sys.stdout.write(f"{port} {os.getpid()}\n")
        sys.stdout.flush()
        await asyncio.to_thread(os.read, ends, 1)


def main() -> None:
    ends, held = os.pipe()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries those that are killed
    for line in sys.stdin:
        options = msgspec.json.decode(line, type=ServerOptions)
        if os.fork() == 0:
            os.close(held)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if options.descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (options.descriptors, options.descriptors))
            with asyncio.Runner(loop_factory=LOOPS[options.loop]) as runner:
                runner.run(serve(options, ends))
            os._exit(0)


if __name__ == "__main__":
    main()
