"""Measures whole calls of a gateway that runs in this process: from the bytes of an HTTP request to the bytes of its
answer, without sockets or a broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from bench.load import requests_of
from bench.lookup import EXPECTED_TEXT, PATH, RECIPIENT, REQUEST_ID, SCOPES, wire_reply
from bench.parts import KEY, Part
from bouquet_cnaf.worker import worker as cnaf
from bouquet_gateway.access import tokens
from bouquet_gateway.http.app import make_app
from bouquet_gateway.settings import GatewaySettings
from bouquet_gateway.start.build import open_gateway
from bouquet_mesh.bus.api import Bus
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.http.server import connection_factory
from bouquet_mesh.outbox.open import open_outbox
from bouquet_mesh.secret import Secret
from bouquet_proto import registry_messages
from bouquet_proto.messages import Changes, Describe, Found, Reply, Request, decode_reply

UNREACHED = 1_000_000
"""Rate limit, in calls per second, that no run reaches."""


@asynccontextmanager
async def whole_parts(bus: Bus, folder: Path) -> AsyncIterator[list[Part]]:
    """Yields benchmark parts that each measure a whole call of a gateway. The measured CPU includes the work of the
    workers, which run in the same process."""
    settings = GatewaySettings(
        token_key=KEY,
        providers=("cnaf",),
        calls_per_second=UNREACHED,
        journal_key=Secret(f"bench:{KEY.reveal()}"),
        journal_spool=str(folder),
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(bus.serve("cnaf", _cnaf, concurrency=1))
        await stack.enter_async_context(bus.serve(registry_messages.PROVIDER, _registry, concurrency=1))
        outbox = await stack.enter_async_context(open_outbox("memory:", "bench"))
        gateway = await stack.enter_async_context(open_gateway(settings, bus, outbox))
        connect = await stack.enter_async_context(connection_factory(make_app(gateway), Limits()))
        wire = _CapturingTransport()
        protocol = connect()
        protocol.connection_made(wire)
        token = tokens.issue(KEY, SCOPES, expires_at=int(time.time()) + 3600, token_id=REQUEST_ID)

        async def call(people: str) -> None:
            protocol.data_received(requests[people](0))
            answer = await wire.answer()
            assert answer[9:12] == b"200" and EXPECTED_TEXT.encode() in answer

        requests = {people: requests_of(PATH, [token], people) for people in ("own", "new")}
        await call("own")
        yield [
            Part("whole call", "a person in the cache", partial(call, "own")),
            Part("whole call", "a new person, worker's side too", partial(call, "new")),
        ]


class _CapturingTransport(asyncio.Transport):
    """Transport that collects the bytes of the answer that a gateway writes."""

    def __init__(self) -> None:
        super().__init__()
        self._written = b""
        self._waiting: asyncio.Future[None] | None = None

    async def answer(self) -> bytes:
        while not self._written.endswith(b'"meta":{}}'):
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        written, self._written = self._written, b""
        return written

    def write(self, data: Any) -> None:
        self._written += data
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(None)

    def writelines(self, chunks: Any) -> None:
        self.write(b"".join(chunks))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 0) if name == "peername" else default


async def _cnaf(request: Request) -> Reply:
    return _found(cnaf.offer()) if isinstance(request, Describe) else decode_reply(wire_reply())


async def _registry(request: Request) -> Reply:
    if isinstance(request, Changes):
        return _found(registry_messages.TokenChanges(log="bench", cursor=1))
    held = registry_messages.KnownToken(
        scopes=frozenset(SCOPES), siret=RECIPIENT, expires_at=time.time() + 3600, as_of=1
    )
    return _found(held)


def _found(data: object) -> Found:
    return Found(Raw(msgspec.json.encode(data)))
