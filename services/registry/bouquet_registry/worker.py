"""The registry on the bus: what gateways ask, and notices before expiry. `registry` is what the embedded bus hosts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any

from msgspec import Raw
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from bouquet_proto.bus import Bus, Serving
from bouquet_proto.messages import Changes, Failed, Found, NotFound, Reply, Request, WhoIs, encode
from bouquet_proto.offer import Offer
from bouquet_proto.post import Post
from bouquet_proto.registry import AS_OF, PROVIDER, UNKNOWN
from bouquet_proto.settings import load
from bouquet_registry import changes, schema
from bouquet_registry.census import keep_counting
from bouquet_registry.delivery import open_channel
from bouquet_registry.desk import Clock, hold_log, utc_now
from bouquet_registry.journal.worker import writing
from bouquet_registry.notices import keep_noticing
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import PREFIX, Store, open_store

log = logging.getLogger(__name__)

USES_EVERY_S = 5.0
"""How often the uses of tokens are written: a question of a gateway is one."""


class Service:
    provider = PROVIDER

    def offers(self) -> tuple[Offer, ...]:
        """It answers gateways, not the public."""
        return ()

    def settings(self, environ: Mapping[str, str]) -> RegistrySettings:
        """Raises `SettingsError`."""
        return load(RegistrySettings, environ, PREFIX)

    @asynccontextmanager
    async def running(self, bus: Bus, environ: Mapping[str, str], post: Post | None) -> AsyncIterator[Serving]:
        settings = self.settings(environ)
        async with open_store(settings.database_url) as store, AsyncExitStack() as stack:
            if post is not None and settings.journal:
                await stack.enter_async_context(writing(post, store))
            yield await stack.enter_async_context(answering(bus, store, settings))


registry = Service()


@asynccontextmanager
async def answering(
    bus: Bus, store: Store, settings: RegistrySettings, clock: Clock = utc_now
) -> AsyncIterator[Serving]:
    """Answers gateways and gives notices until the context ends."""
    window = Window(store, clock)
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(open_channel(settings))
        stack.push_async_callback(window.write_uses)
        await stack.enter_async_context(_kept_up(window.keep_uses()))
        await stack.enter_async_context(_kept_up(keep_counting(store, clock)))
        if channel is not None:
            noticing = keep_noticing(store, channel, settings.notices_every_s, clock)
            await stack.enter_async_context(_kept_up(noticing))
        yield await stack.enter_async_context(
            bus.serve(PROVIDER, window.answer, concurrency=settings.concurrency, drain_s=settings.drain_s)
        )


@asynccontextmanager
async def _kept_up(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Window:
    """Answers gateways, and notes which tokens they ask about."""

    def __init__(self, store: Store, clock: Clock = utc_now) -> None:
        self._store = store
        self._clock = clock
        self._uses: dict[str, datetime] = {}

    async def answer(self, request: Request) -> Reply:
        try:
            match request:
                case WhoIs():
                    return await self._who_is(request)
                case Changes():
                    return await self._changes(request)
                case _:
                    return Failed("malformed_request")
        except (SQLAlchemyError, OSError) as error:
            log.error("database unavailable", extra={"error": type(error).__name__})
            return Failed("registry_unavailable")

    async def _who_is(self, request: WhoIs) -> Reply:
        async with self._store.reading() as connection:
            found, as_of = await changes.held(connection, request.token)
        if found is None:
            return NotFound(UNKNOWN, {AS_OF: as_of})
        self._uses[request.token] = self._clock()
        return Found(Raw(encode(found)))

    async def _changes(self, request: Changes) -> Reply:
        async with self._store.reading() as connection:
            return Found(Raw(encode(await changes.news(connection, request.log, request.since))))

    async def keep_uses(self) -> None:
        """Never ends by itself."""
        while True:
            await asyncio.sleep(USES_EVERY_S)
            await self.write_uses()

    async def write_uses(self) -> None:
        """Never raises for its database: a use that cannot be written waits for the next time."""
        uses, self._uses = self._uses, {}
        try:
            if uses:
                await self._write(uses)
        except (SQLAlchemyError, OSError) as error:
            log.warning("uses not written", extra={"error": type(error).__name__, "tokens": len(uses)})
            self._uses = uses | self._uses

    async def _write(self, uses: Mapping[str, datetime]) -> None:
        known = schema.tokens.c
        async with self._store.writing() as connection:
            await connection.execute(hold_log())  # or a change of the same tokens and we might wait for each other
            for token, at in uses.items():
                later = known.last_used_at.is_(None) | (known.last_used_at < at)
                await connection.execute(update(schema.tokens).where(known.id == token, later).values(last_used_at=at))
