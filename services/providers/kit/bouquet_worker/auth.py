"""How a worker proves to an upstream who it is (docs/reference/upstreams/shared.md §4)."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from bouquet_mesh.secret import Secret
from bouquet_worker.answer import Answer
from bouquet_worker.errors import UpstreamError

if TYPE_CHECKING:
    from bouquet_worker.transport import Transport

EARLY_S = 10.0
"""A token is renewed that long before it expires."""
ATTEMPTS = 5
PAUSE_S = 0.2
REST_S = 1.0
"""How long nobody asks again after a token endpoint refused us: locked accounts are worse than wrong ones."""
_REFUSALS = {400, 401, 403}


class Auth(Protocol):
    async def headers(self, transport: Transport) -> Mapping[str, str]:
        """What a call carries."""

    def forget(self, refused: Mapping[str, str]) -> bool:
        """Told that these headers were answered 401: whether other ones can be had."""


class ApiKey:
    def __init__(self, header: str, key: Secret, *, scheme: str = "") -> None:
        self._header = header
        self._key = key
        self._scheme = scheme

    async def headers(self, _: Transport) -> Mapping[str, str]:
        return {self._header: self._scheme + self._key.reveal()}

    def forget(self, _: Mapping[str, str]) -> bool:
        return False


class Bearer(ApiKey):
    def __init__(self, token: Secret) -> None:
        super().__init__("Authorization", token, scheme="Bearer ")


class _Grant(Struct):
    access_token: str = ""
    expires_in: float | None = None


class ClientCredentials:
    """OAuth2 client credentials. Callers share one token, and wait together while one of them renews it.

    `form` adds fields to the body (a scope); `None` leaves the body empty, as Cnous wants it.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: Secret,
        *,
        style: Literal["basic", "basic_urlsafe", "body"] = "basic",
        form: Mapping[str, str] | None = {},
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token_url = token_url
        self._client_id = client_id
        self._client_secret = client_secret
        self._style = style
        self._form = form
        self._clock = clock
        self._renewing = asyncio.Lock()
        self._authorization = ""
        self._good_until = 0.0
        self._refused: tuple[str, float] = ("", 0.0)

    async def headers(self, transport: Transport) -> Mapping[str, str]:
        async with self._renewing:
            if self._clock() >= self._good_until:
                await self._renew(transport)
            return {"Authorization": self._authorization}

    def forget(self, refused: Mapping[str, str]) -> bool:
        if refused.get("Authorization") == self._authorization:  # else another call has renewed it already
            self._good_until = 0.0
        return True

    async def _renew(self, transport: Transport) -> None:
        cause, until = self._refused
        if self._clock() < until:
            raise UpstreamError("upstream_unknown", cause=cause)
        asked_at = self._clock()
        grant = await self._ask(transport)
        self._authorization = f"Bearer {grant.access_token}"
        self._good_until = asked_at + max(0.0, (grant.expires_in or 0.0) - EARLY_S)

    async def _ask(self, transport: Transport) -> _Grant:
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(PAUSE_S)
            answer = await transport.post(self._token_url, *self._request())
            if answer.status in _REFUSALS:
                raise self._refusal("credentials refused")
            if (grant := _read(answer)) is None:
                continue
            if grant.access_token:
                return grant
            break
        raise self._refusal("no token in the answer")

    def _refusal(self, cause: str) -> UpstreamError:
        """The contract has one code for all of it (docs/reference/upstreams/shared.md §4); the log says what it was."""
        self._refused = (cause, self._clock() + REST_S)
        return UpstreamError("upstream_unknown", cause=cause)

    def _request(self) -> tuple[dict[str, str], bytes | None]:
        headers = {"Accept": "application/json"}
        form = None if self._form is None else {"grant_type": "client_credentials", **self._form}
        pair = f"{self._client_id}:{self._client_secret.reveal()}".encode()
        match self._style:
            case "basic":
                headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
            case "basic_urlsafe":
                headers["Authorization"] = f"Basic {urlsafe_b64encode(pair).decode()}"
            case "body":
                form = {"client_id": self._client_id, "client_secret": self._client_secret.reveal(), **(form or {})}
        if form is None:
            return headers, None
        return headers | {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form).encode()


def _read(answer: Answer) -> _Grant | None:
    """`None` if it is not even JSON, which passes; JSON without a token does not."""
    try:
        return msgspec.json.decode(answer.body, type=_Grant, strict=False)
    except msgspec.ValidationError:
        return _Grant()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
