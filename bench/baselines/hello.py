"""Smallest aiohttp server, to find the highest request rate of one process."""

from __future__ import annotations

import sys

import uvloop
from aiohttp import web

from bench.baselines.serving import serve


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="Hello, world")


if __name__ == "__main__":
    uvloop.run(serve([web.get("/", hello)], int(sys.argv[1])))
