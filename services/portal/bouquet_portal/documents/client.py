"""HTTP client of a gateway. Each call is limited in time and size, and follows no redirect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import urllib3
from msgspec import Struct

from bouquet_portal.documents.bounded import pool_manager

MAX_BYTES = 32 * 1024 * 1024
"""Largest size, in bytes, of the body of a gateway's answer. A larger body raises `GatewayError`."""


class GatewayError(Exception):
    """Error for a gateway that does not answer in time, or whose answer is too large or unexpected."""


class Answer(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Returns the decoded body. Raises `GatewayError` if the body is no JSON, or is nested too deeply."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise GatewayError("the gateway's answer is not JSON") from error


class Client:
    """Client of the gateway at `url`. A call, including the reading of its answer, takes at most `timeout_s` seconds.
    Several threads may use the client at the same time."""

    def __init__(
        self, url: str, *, timeout_s: float, cafile: str = "", connections: int = 8, max_bytes: int = MAX_BYTES
    ) -> None:
        self.url = url.rstrip("/")
        self._max_bytes = max_bytes
        self._pool = pool_manager(timeout_s, connections=connections, cafile=cafile)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Returns the gateway's answer to a GET request, whatever its status. Raises `GatewayError` if the answer does
        not come in time, or is too large."""
        return self._send("GET", path, None, headers or {})

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Returns the gateway's answer to a POST request, whatever its status. Raises `GatewayError` if the answer does
        not come in time, or is too large."""
        return self._send("POST", path, body, headers or {})

    def _send(self, method: str, path: str, sent: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            response = self._pool.request(
                method, f"{self.url}{path}", body=sent, headers=dict(headers), redirect=False, preload_content=False
            )
            body = self._body(response)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise GatewayError("the gateway does not answer") from error
        return Answer(response.status, dict(response.headers), body)

    def _body(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """Returns the whole body of a response. Raises `GatewayError` if the body is larger than `MAX_BYTES`."""
        # An answer that was not read whole leaves a connection that no further call can use.
        whole = False
        try:
            body = response.read(self._max_bytes + 1, decode_content=True)
            if len(body) > self._max_bytes:
                raise GatewayError("the gateway's answer is too long")
            whole = True
            return body
        finally:
            if not whole:
                response.close()
            response.release_conn()

    def close(self) -> None:
        self._pool.clear()
