"""Client of the registry's internal API, and helpers that run the API within the tests' process or as a process of its
own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from msgspec import Struct

from bouquet_mesh.listen import listening
from bouquet_mesh.secret import Secret
from bouquet_registry.administration import Administration
from bouquet_registry.api.access import Clients
from bouquet_registry.api.app import make_app
from bouquet_registry.api.routes import routes_of
from bouquet_registry.clock import Clock, utc_now
from bouquet_registry.datapass.forms import NO_FORMS, Catalogue
from bouquet_registry.store import Store

ROUTES = routes_of(NO_FORMS)
SECRET = "s" * 40
SIGNING_KEY = Secret("k" * 40)
AUTHOR = {"X-Author": "Anne Durant", "X-Reason": "ticket 12"}
"""Headers that every administrative act (a request that changes the registry) must have: the author and the reason."""
ALL_HEADERS = AUTHOR | {"Authorization": f"Bearer {SECRET}"}
"""Headers with which any request is allowed: those of an administrative act, and the secret of the client."""


class ApiAnswer(Struct, frozen=True):
    status: int
    json: Any
    headers: Mapping[str, str]

    @property
    def errors(self) -> set[tuple[str, str]]:
        return {(error["code"], error.get("field", "")) for error in self.json["errors"]}


class ApiClient:
    """Client of the registry's internal API. Each change that it requests names Anne Durant as the author."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def get(self, path: str, **query: str) -> ApiAnswer:
        return await self.send("GET", path, query=query)

    async def act(self, method: str, path: str, **body: Any) -> ApiAnswer:
        """Performs an act, which is a request that changes the registry. `body` becomes its JSON body."""
        return await self.send(method, path, body=body)

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        data: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] = AUTHOR,
        secret: str = SECRET,
    ) -> ApiAnswer:
        """Sends a request with `body` as JSON, or with the bytes of `data` instead. `secret` identifies the client, and
        `headers` give the author and the reason of an act."""
        sent = dict(headers) | ({"Authorization": f"Bearer {secret}"} if secret else {})
        async with self._session.request(
            method, path, params=query, json=body if data is None else None, data=data, headers=sent
        ) as response:
            return ApiAnswer(response.status, await response.json(), response.headers)


@asynccontextmanager
async def api_client(store: Store, clock: Clock = utc_now, forms: Catalogue = NO_FORMS) -> AsyncIterator[ApiClient]:
    """Yields a client of an API that serves the database of `store`, and `forms`."""
    app = make_app(Administration(store, SIGNING_KEY, clock), routes_of(forms), Clients(Secret(f"portal:{SECRET}")))
    async with listening(app, "127.0.0.1", 0, ends_with_client=False) as url, ClientSession(url) as session:
        yield ApiClient(session)


async def read_pages(api: ApiClient, path: str, **query: str) -> list[Any]:
    """Returns all items of a list of the API, read in pages of two."""
    items: list[Any] = []
    cursor = ""
    while True:
        answer = await api.get(path, **query, limit="2", cursor=cursor)
        assert answer.status == 200, answer.json
        assert len(answer.json["data"]) <= 2
        items += answer.json["data"]
        cursor = answer.json["next"]
        if cursor is None:
            return items


def api_environ(folder: Path) -> dict[str, str]:
    """Returns the environment variables of an API process that listens on free ports and has its database in a
    folder."""
    return {
        "BOUQUET_REGISTRY_DATABASE_URL": f"sqlite:///{folder}/registry.db",
        "BOUQUET_REGISTRY_SIGNING_KEY": SIGNING_KEY.reveal(),
        "BOUQUET_REGISTRY_PORT": "0",
        "BOUQUET_REGISTRY_API_PORT": "0",
        "BOUQUET_REGISTRY_API_SECRETS": f"portal:{SECRET}",
    }
