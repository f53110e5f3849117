"""FastStream's worker: a `subscriber` that takes requests from a queue and asks the provider."""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import uvloop
from yarl import URL

from bench.peers.dialect import HEADERS, File, Question, query_of, read_file
from bench.peers.faststream_settings import QUEUE, broker_of


async def serve(url: str, upstream: str) -> None:
    broker = broker_of(url, confirms=False)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        @broker.subscriber(QUEUE)
        async def lookup(question: Question) -> File:
            asked = URL(f"{upstream}?{query_of(question)}", encoded=True)
            async with session.get(asked, headers=HEADERS) as response:
                return read_file(await response.read())

        await broker.start()
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:]))
