"""Accepting connections at a port. An address that cannot be listened on is a wrong setting."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial

from bouquet_mesh.settings import LAST_PORT, SettingsError

BACKLOG = 1024
SENDING_BYTES = 65_536
"""Of one connection: what the kernel keeps of answers that its client does not take. By itself it would keep some
megabytes, which count as memory of the container."""
ACCEPTED_AT_ONCE = 32
"""Connections that one pass of the event loop accepts. libuv accepts one for each handle of a listening socket (its
issue 3696), and a busy loop makes few passes: who connects then would wait for seconds to hear that there is no
room."""


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


@asynccontextmanager
async def accepting(
    connect: Callable[[], asyncio.Protocol], host: str, port: int, *, reuse_port: bool = False
) -> AsyncIterator[int]:
    """Gives the bound port, until it is closed. `ACCEPTED_AT_ONCE` handles listen at each address of `host`."""
    listen = partial(asyncio.get_running_loop().create_server, connect, backlog=BACKLOG)
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
