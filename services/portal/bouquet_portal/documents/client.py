"""HTTP client of a gateway: bounded in time and size, without redirects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import urllib3
from msgspec import Struct

MOST_BYTES = 32 * 1024 * 1024
"""Largest number of bytes in the body of an answer. A larger body raises `GatewayError`."""


class GatewayError(Exception):
    """Error raised when the gateway does not answer, or its answer is not the expected document."""


class Answer(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Returns the decoded body. Raises `GatewayError` if the body is no JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise GatewayError("the gateway's answer is not JSON") from error


class Client:
    """Client of the gateway at `url`. Several threads may use it at the same time."""

    def __init__(
        self, url: str, *, timeout_s: float, cafile: str = "", connections: int = 8, most_bytes: int = MOST_BYTES
    ) -> None:
        self.url = url.rstrip("/")
        self._most_bytes = most_bytes
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            timeout=urllib3.Timeout(connect=min(2.0, timeout_s), read=timeout_s),
            retries=False,
            ca_certs=cafile or None,
        )

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Returns the gateway's answer to a request, whatever its status. Raises `GatewayError` if there is none."""
        return self._send("GET", path, None, headers or {})

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Returns the gateway's answer to a request with a body, whatever its status. Raises `GatewayError` if there
        is none."""
        return self._send("POST", path, body, headers or {})

    def _send(self, method: str, path: str, sent: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            response = self._pool.request(
                method, f"{self.url}{path}", body=sent, headers=dict(headers), redirect=False, preload_content=False
            )
            try:
                body = response.read(self._most_bytes + 1, decode_content=True)
            finally:
                response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise GatewayError("the gateway does not answer") from error
        if len(body) > self._most_bytes:
            raise GatewayError("the gateway's answer is too long")
        return Answer(response.status, dict(response.headers), body)

    def close(self) -> None:
        self._pool.clear()
