"""HTTP server that passes requests on to FastStream's worker. `/request` uses FastStream's own request-reply method.
`/queue` publishes requests itself, reads all replies from one queue, and matches them by correlation id."""

from __future__ import annotations

import asyncio
import itertools
import sys

import uvloop
from aiohttp import web
from faststream.rabbit import RabbitMessage, RabbitQueue

from bench.peers.dialect import File, encode, question_of, read_file
from bench.peers.faststream_settings import QUEUE, broker_of

REPLIES = RabbitQueue("bench.faststream.replies", exclusive=True)
TIMEOUT_S = 10.0


async def serve(port: int, url: str) -> None:
    broker = broker_of(url, confirms=True)
    pending: dict[str, asyncio.Future[File]] = {}
    numbers = itertools.count()

    @broker.subscriber(REPLIES)
    async def replied(file: File, message: RabbitMessage) -> None:
        pending.pop(message.correlation_id or "").set_result(file)

    async def by_request(request: web.Request) -> web.Response:
        question = question_of(request.rel_url.raw_query_string)
        reply = await broker.request(question, QUEUE, timeout=TIMEOUT_S)
        return _answer(read_file(reply.body))

    async def by_queue(request: web.Request) -> web.Response:
        question = question_of(request.rel_url.raw_query_string)
        number = str(next(numbers))
        reply = pending[number] = asyncio.get_running_loop().create_future()
        await broker.publish(question, QUEUE, reply_to=REPLIES.name, correlation_id=number)
        async with asyncio.timeout(TIMEOUT_S):
            return _answer(await reply)

    app = web.Application()
    app.add_routes([web.get("/request", by_request), web.get("/queue", by_queue)])
    runner = web.AppRunner(app, access_log=None)
    await broker.start()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


def _answer(file: File) -> web.Response:
    return web.Response(body=encode(file), content_type="application/json")


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
