"""An HTTP client of a gateway, the tokens it sends and the answers it gets."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import urlencode

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from msgspec import Struct
from yarl import URL

from bouquet_gateway.access import tokens
from bouquet_mesh.secret import Secret
from bouquet_proto import quotient_familial
from tests.support.waiting import TEST_TIMEOUT_S

TOKEN_KEY = Secret("the key that signs the tokens of the tests")
"""Key that signs tokens in tests. Gateways in tests verify tokens with it."""
QUOTIENT_FAMILIAL_PATH = quotient_familial.OPERATION.path
SCOPES = quotient_familial.OPERATION.scopes
RECIPIENT = "13002526500013"
"""SIRET that callers give as `recipient`. It names the administration on whose behalf they ask."""

Params: TypeAlias = Mapping[str, str | int | Sequence[str]]
"""Query parameters by name. A parameter whose value is a list is sent once for each item."""


class Answer(Struct, frozen=True):
    """An HTTP response whose body has been read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        return [error["code"] for error in self.json["errors"]]

    @property
    def error(self) -> Any:
        """The only error of a version 3 answer. Fails if there is none or more than one."""
        [error] = self.json["errors"]
        return error

    @property
    def summary(self) -> str:
        """Short form of the answer: status, error code and provider, such as `502 23001 CNAF`. A 200 has no code, as
        in `200 CNAF`."""
        if self.status == 200:
            return f"200 {self.json['data']['quotient_familial']['fournisseur']}"
        return f"{self.status} {self.error['code']} {self.error['meta'].get('provider', '')}".rstrip()


def token(
    *scopes: str,
    id: str = tokens.STAGING_TOKEN_ID,
    valid_s: float = 3600,
    key: Secret = TOKEN_KEY,
    siret: str = "",
    mcp: bool = False,
) -> str:
    """Returns a signed token. By default it is valid for an hour and has every scope of the quotient familial."""
    expires_at = int(time.time() + valid_s)
    return tokens.issue(key, scopes or SCOPES, expires_at=expires_at, token_id=id, siret=siret, mcp=mcp)


def unique_token() -> str:
    """Returns a token with a new random id. Its calls count against a rate limit of their own, which no other test uses
    up."""
    return token(id=str(uuid.uuid4()))


class GatewayClient:
    def __init__(self, session: ClientSession, url: str) -> None:
        self.url = url
        self.token = token()
        self.session = session

    async def get(
        self,
        path: str = QUOTIENT_FAMILIAL_PATH,
        params: Params | None = None,
        *,
        token: str | None = None,
        scopes: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        query: str | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Sends a request and returns the answer. The request carries a token with exactly `scopes` if they are given,
        otherwise `token` if given, otherwise the client's own token."""
        # `query`, if given, replaces `params` and is sent as it is.
        bearer = _opening(scopes) if scopes else self.token if token is None else token
        authorization = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        asked = urlencode(params or {}, doseq=True) if query is None else query
        url = URL(f"{self.url}{path}" + (f"?{asked}" if asked else ""), encoded=True)
        async with self.session.request(
            method, url, headers=authorization | dict(headers or {}), data=body
        ) as response:
            return Answer(response.status, response.headers.copy(), await response.read())

    async def until_all_offers_known(self, *, within_s: float = TEST_TIMEOUT_S) -> None:
        """Waits until the gateway has received every provider's offer (its list of operations). Before that, it does
        not answer 404 for an unknown path."""
        async with asyncio.timeout(within_s):
            while (await self.get("/v3/nowhere/identite", token="")).status != 404:  # noqa: ASYNC110 - what is waited for has no event here
                await asyncio.sleep(0.01)


def _opening(scopes: Sequence[str]) -> str:
    return token(*scopes)


@asynccontextmanager
async def gateway_client(url: str) -> AsyncIterator[GatewayClient]:
    """Yields a client of the gateway at `url` that may open any number of connections."""
    async with ClientSession(
        connector=TCPConnector(limit=0),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=TEST_TIMEOUT_S),
        skip_auto_headers=("User-Agent",),
    ) as session:
        yield GatewayClient(session, url)
