"""Listening on a port, and accepting its connections."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial

from bouquet_mesh.settings import LAST_PORT, SettingsError

BACKLOG = 1024
SENDING_BYTES = 65_536
"""Size of the kernel's send buffer of one connection, in bytes."""
# Without this limit, the buffer of a client that does not read would grow to some megabytes, which count as memory of
# the container.
HANDSHAKE_S = 10.0
"""Longest time in seconds that a TLS handshake may take."""
ACCEPTED_AT_ONCE = 32
"""Number of connections accepted in one iteration of the event loop."""
# Each is accepted by its own handle of the listening socket, since libuv accepts only one connection per handle (libuv
# issue 3696). With one handle, clients of a busy process would wait for seconds, even to be refused.


@contextmanager
def can_listen(host: str, port: int) -> Iterator[None]:
    """Converts an `OSError` of the enclosed block, which listens on the address, to a `SettingsError`. Also raises
    `SettingsError` if the port is out of range."""
    if not 0 <= port <= LAST_PORT:  # uvloop would use its lowest 16 bits
        raise SettingsError([f"{host}:{port}: cannot be listened on: ports end at {LAST_PORT}"])
    try:
        yield
    except OSError as error:
        named = isinstance(error, socket.gaierror) or error.errno is None
        reason = error.strerror if named else os.strerror(error.errno or 0)
        raise SettingsError([f"{host}:{port}: cannot be listened on: {reason}"]) from None


@asynccontextmanager
async def accepting(
    connect: Callable[[], asyncio.Protocol],
    host: str,
    port: int,
    *,
    reuse_port: bool = False,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """Listens on an address while the context is open, and yields the bound port. Calls `connect` to make the protocol
    object of each new connection. If `tls` is given, connections are encrypted. Raises `SettingsError` if the address
    cannot be used."""
    listen = partial(asyncio.get_running_loop().create_server, connect, backlog=BACKLOG)
    if tls is not None:
        listen = partial(listen, ssl=tls, ssl_handshake_timeout=HANDSHAKE_S)
    with can_listen(host, port):
        first = await listen(host=host, port=port, reuse_port=reuse_port or None)
    async with AsyncExitStack() as stack:
        stack.callback(first.close)
        for sock in first.sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENDING_BYTES)  # connections inherit it
            for _ in range(ACCEPTED_AT_ONCE - 1):
                twin = await listen(sock=socket.fromfd(sock.fileno(), sock.family, sock.type))
                stack.callback(twin.close)
        yield first.sockets[0].getsockname()[1]
