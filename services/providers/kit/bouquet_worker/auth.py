"""Authentication of calls to upstreams by fixed keys and OAuth 2.0 tokens (docs/reference/upstreams/shared.md §4)."""

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

RENEWAL_MARGIN_S = 10.0
"""Seconds before the expiry of an OAuth 2.0 token at which the token is renewed."""
ATTEMPTS = 5
"""Largest number of requests that are sent to obtain one token."""
# A request is repeated only if the token endpoint's answer is not JSON, which may be temporary.
ATTEMPT_PAUSE_S = 0.2
"""Seconds between two requests that are sent to obtain the same token."""
REFUSED_PAUSE_S = 1.0
"""Seconds without token requests after a refused token request."""
# Repeated refusals could lock the account.
_REFUSALS = {400, 401, 403}


class Auth(Protocol):
    """Interface for authenticating calls to an upstream. `ApiKey` and `ClientCredentials` implement it; a worker's
    author may write another implementation."""

    async def headers(self, transport: Transport) -> Mapping[str, str]:
        """Returns the headers that authenticate a call. Requests a token through `transport` first if one is needed.
        Raises `UpstreamError` if no token can be obtained."""

    def forget(self, refused: Mapping[str, str]) -> bool:
        """Discards the credentials in `refused`, headers that the upstream did not accept. Returns whether the call may
        be repeated with new credentials."""


class ApiKey:
    """A fixed key, sent in a header of each call.

    Args:
        header: Name of the header.
        key: The key.
        scheme: Text in front of the key in the header, with the space after it, such as `"Bearer "`.
    """

    def __init__(self, header: str, key: Secret, *, scheme: str = "") -> None:
        self._header = header
        self._key = key
        self._scheme = scheme

    async def headers(self, _: Transport) -> Mapping[str, str]:
        return {self._header: self._scheme + self._key.reveal()}

    def forget(self, _: Mapping[str, str]) -> bool:
        """Returns `False`: a refused request is not repeated, since a fixed key cannot be renewed."""
        return False


class Bearer(ApiKey):
    def __init__(self, token: Secret) -> None:
        super().__init__("Authorization", token, scheme="Bearer ")


class _Grant(Struct):
    access_token: str = ""
    expires_in: float | None = None


class ClientCredentials:
    """Authentication by OAuth 2.0 client credentials: each call carries a token, requested with a client's id and
    secret. All calls share one token.

    Args:
        token_url: URL of the token endpoint.
        client_id: The client's identifier.
        client_secret: The client's secret.
        style: Place of the id and the secret in a token request. `basic` sends them in the header `Authorization`, in
            base64. `basic_urlsafe` does so in URL-safe base64. `body` sends them in the form.
        form: Fields of the token request's form besides `grant_type`, such as a scope. With `None`, the form has no
            such fields and no `grant_type`.
        clock: Monotonic clock, in seconds.
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
        self.token_url = token_url
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
        """Returns the header `Authorization` with the token. A token that is about to expire is renewed first. Raises
        `UpstreamError` if no token can be obtained."""
        async with self._renewing:
            if self._clock() >= self._good_until:
                await self._renew(transport)
            return {"Authorization": self._authorization}

    def forget(self, refused: Mapping[str, str]) -> bool:
        """Discards the refused token, unless it has been renewed meanwhile. Returns `True`, because a new token can be
        requested."""
        if refused.get("Authorization") == self._authorization:
            self._good_until = 0.0
        return True

    async def _renew(self, transport: Transport) -> None:
        cause, until = self._refused
        if self._clock() < until:
            raise UpstreamError("upstream_unknown", cause=cause)
        asked_at = self._clock()
        grant = await self._request_token(transport)
        self._authorization = f"Bearer {grant.access_token}"
        self._good_until = asked_at + max(0.0, (grant.expires_in or 0.0) - RENEWAL_MARGIN_S)

    async def _request_token(self, transport: Transport) -> _Grant:
        status = 0
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(ATTEMPT_PAUSE_S)
            answer = await transport.post(self.token_url, *self._request())
            status = answer.status
            if status in _REFUSALS:
                raise self._refusal("credentials refused")
            if (grant := _read(answer)) is None:
                continue
            if grant.access_token:
                return grant
            break
        raise self._refusal(f"no token in the answer, status {status}")

    def _refusal(self, cause: str) -> UpstreamError:
        """Returns the error for a refused token request, and prevents further token requests for `REFUSED_PAUSE_S`
        seconds. `cause` says for the log how the request was refused."""
        # The contract has one code for every refusal (docs/reference/upstreams/shared.md §4). In the log, `cause` tells
        # them apart.
        self._refused = (cause, self._clock() + REFUSED_PAUSE_S)
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
    """Returns the access token in a token endpoint's answer, with its lifetime. Returns `None` if the answer is not
    JSON. For JSON of another shape, returns a `_Grant` with an empty token."""
    # An answer that is not JSON may be temporary.
    try:
        return msgspec.json.decode(answer.body, type=_Grant, strict=False)
    except msgspec.ValidationError:
        return _Grant()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
