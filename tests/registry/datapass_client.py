"""A client of the registry's webhooks, which sends events as DataPass does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, web

from bouquet_mesh.http.server import serving
from bouquet_registry import queries
from bouquet_registry.datapass import inbox
from bouquet_registry.datapass.inbox import EventAsideWithBody
from bouquet_registry.datapass.webhooks import Webhooks
from bouquet_registry.habilitations import Habilitation, Token
from bouquet_registry.store import Store
from bouquet_registry.webhook_signature import HEADER
from tests.registry.datapass_events import SECRET, V1, signed, v1
from tests.support.clock import DatetimeClock

MAX_AGE_S = 24 * 3600
"""Age, in seconds, above which the webhooks of the tests refuse an event."""


class DataPass:
    """DataPass, as a client of a registry's webhooks. It reads the registry's database, to say what its events did."""

    def __init__(self, session: ClientSession, port: int, store: Store, clock: DatetimeClock) -> None:
        self._session = session
        self.port = port
        self._store = store
        self.clock = clock

    async def tells(self, body: bytes, path: str = V1, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Sends an event, signed unless `headers` are given. Returns the status and the JSON of the answer."""
        sent = signed(body) if headers is None else headers
        async with self._session.post(path, data=body, headers=sent) as response:
            assert response.headers.get("WWW-Authenticate", "") == (HEADER if response.status == 401 else "")
            return response.status, await response.json()

    async def approves(self, **own: Any) -> str:
        """Sends the approval of a request, of which `own` replaces fields. Returns the id of its token."""
        status, answer = await self.tells(v1("approve", self.now, **own))
        assert status == 200
        return str(answer["token_id"])

    @property
    def now(self) -> float:
        """Time of the clock, in seconds since 1970, as events give it."""
        return self.clock().timestamp()

    async def habilitation(self) -> Habilitation:
        """Returns the only habilitation of the registry."""
        async with self._store.reading() as connection:
            [found] = await queries.habilitations(connection, archived=True)
            return found

    async def tokens(self) -> list[Token]:
        """Returns all tokens of the registry."""
        async with self._store.reading() as connection:
            return await queries.tokens(connection)

    async def aside(self) -> list[EventAsideWithBody]:
        """Returns all events that the registry has set aside."""
        async with self._store.reading() as connection:
            listed = await inbox.events_aside(connection)
            return [await inbox.event_aside(connection, event.digest) for event in listed]

    async def sets_aside(self, body: bytes, path: str = V1) -> str:
        """Sends an event that the registry cannot apply, and therefore sets aside. Returns the reason."""
        assert await self.tells(body, path) == (200, {})
        assert await self.nothing()
        [found] = await self.aside()
        assert (found.body, found.dialect) == (body, "v1" if path == V1 else "v2")
        return found.reason

    async def nothing(self) -> bool:
        """Returns whether the registry has no habilitation."""
        async with self._store.reading() as connection:
            return await queries.habilitations(connection, archived=True) == []


@asynccontextmanager
async def datapass_client(store: Store, clock: DatetimeClock) -> AsyncIterator[DataPass]:
    """Yields a client that sends signed events to a registry over HTTP, as DataPass does."""
    app = web.Application()
    app.add_routes(Webhooks(store, SECRET, MAX_AGE_S, clock).routes())
    async with serving(app, "127.0.0.1", 0) as port, ClientSession(f"http://127.0.0.1:{port}") as session:
        yield DataPass(session, port, store, clock)
