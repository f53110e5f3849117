"""HTTP proxy on aiohttp that calls the provider directly. It stands for a platform without a mesh: no bus, tokens,
rules or cache."""

from __future__ import annotations

import sys

import aiohttp
import msgspec
import uvloop
from aiohttp import web
from yarl import URL

from bench.baselines.serving import serve
from bouquet_hub.quotient import File

HEADERS = {"Authorization": "Bearer 5ec2e7", "Content-Type": "application/json"}
_file = msgspec.json.Decoder(File)


async def proxy(port: int, upstream: str) -> None:
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def lookup(request: web.Request) -> web.Response:
            url = URL(f"{upstream}?{request.rel_url.raw_query_string}", encoded=True)
            async with session.get(url, headers=HEADERS) as response:
                file = _file.decode(await response.read())
            return web.Response(body=msgspec.json.encode(file), content_type="application/json")

        await serve([web.get("/lookup", lookup)], port)


if __name__ == "__main__":
    uvloop.run(proxy(int(sys.argv[1]), sys.argv[2]))
