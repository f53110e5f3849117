"""HTTP connections with a limit on the total time of an answer."""
# By itself, urllib3 limits only the time of each read.

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class _Reader(io.RawIOBase):
    """Stream of the bytes received from a socket. After the time `ends`, in seconds of the monotonic clock, reading
    raises `TimeoutError`."""

    def __init__(self, sock: socket.socket, ends: float) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._ends = ends

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        left_s = self._ends - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._sock.settimeout(left_s)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *, ends: float, method: str | None) -> None:
        super().__init__(sock, method=method)
        self.fp.close()
        self.fp = io.BufferedReader(_Reader(sock, ends))


class _Bounded(HTTPConnection):
    def response_class(  # type: ignore[override]
        self, sock: socket.socket, *, method: str | None = None
    ) -> http.client.HTTPResponse:
        # urllib3 has set `timeout` to what is left of the total by now.
        return _Response(sock, ends=time.monotonic() + (self.timeout or 0.0), method=method)


class _BoundedTLS(_Bounded, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Bounded


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedTLS


def pool_manager(total_s: float, *, connections: int, cafile: str) -> urllib3.PoolManager:
    """Returns a pool that keeps up to `connections` connections open for each host. A request raises
    `urllib3.exceptions.HTTPError` if its answer takes more than `total_s` seconds.

    With `preload_content=False`, reading the body later raises `TimeoutError` instead. `cafile` names a PEM file with
    the authorities to trust; if empty, the system's authorities are trusted.
    """
    pool = urllib3.PoolManager(
        maxsize=connections,
        timeout=urllib3.Timeout(total=total_s, connect=min(2.0, total_s)),
        retries=False,
        ca_certs=cafile or None,
    )
    pool.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
    return pool
