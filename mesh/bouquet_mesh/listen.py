"""Listening on a port: an address that cannot be listened on is a wrong setting."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from bouquet_mesh.settings import SettingsError

LAST_PORT = 65_535


@contextmanager
def can_listen(host: str, port: int) -> Iterator[None]:
    """Around the start of a server: an address that is taken, or nowhere, is a wrong setting."""
    if not 0 <= port <= LAST_PORT:  # uvloop would take what is left of it in 16 bits
        raise SettingsError([f"{host}:{port}: cannot be listened on: ports end at {LAST_PORT}"])
    try:
        yield
    except OSError as error:
        named = isinstance(error, socket.gaierror) or error.errno is None
        why = error.strerror if named else os.strerror(error.errno or 0)
        raise SettingsError([f"{host}:{port}: cannot be listened on: {why}"]) from None
