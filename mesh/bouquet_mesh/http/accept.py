"""Functions that listen on a port and accept its connections."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial

from bouquet_mesh import descriptors
from bouquet_mesh.observe import metrics
from bouquet_mesh.settings import LAST_PORT, SettingsError
from bouquet_mesh.tasks import alongside, finish_or_cancel

BACKLOG = 1024
SENDING_BYTES = 65_536
"""Size of the kernel's send buffer of one connection, in bytes."""
# Without this limit, the buffer of a client that does not read would grow to some megabytes, which count as memory of
# the container.
HANDSHAKE_S = 10.0
"""Longest time in seconds that a TLS handshake may take."""
MAX_HANDSHAKES = 256
"""Largest number of TLS handshakes in progress at one port. If a further connection arrives, the server ends the oldest
handshake."""
ACCEPT_PAUSE_S = 0.2
"""Seconds that the server waits after it could not accept a connection for lack of file descriptors or memory."""
ACCEPTED_AT_ONCE = 32
"""Largest number of connections accepted at a port in one iteration of the event loop."""
# Each is accepted by its own handle of the listening socket, since libuv accepts only one connection per handle (libuv
# issue 3696). With one handle, clients of a busy process would wait for seconds, even to be refused.


@contextmanager
def convert_listen_errors(host: str, port: int) -> Iterator[None]:
    """Context manager that turns an `OSError` of its block, which listens on `host` and `port`, into a `SettingsError`.
    Also raises `SettingsError` if the port is out of range."""
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
    object of each new connection. Raises `SettingsError` if the address cannot be used.

    If `reuse_port` is true, several processes may listen on the port. With `tls`, connections are encrypted.
    """
    if tls is not None:
        async with _accepting_tls(connect, host, port, tls) as bound:
            yield bound
        return
    listen = partial(asyncio.get_running_loop().create_server, connect, backlog=BACKLOG)
    with convert_listen_errors(host, port):
        first = await listen(host=host, port=port, reuse_port=reuse_port or None)
    async with AsyncExitStack() as stack:
        stack.callback(first.close)
        for sock in first.sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENDING_BYTES)  # connections inherit it
            for _ in range(ACCEPTED_AT_ONCE - 1):
                twin = await listen(sock=socket.fromfd(sock.fileno(), sock.family, sock.type))
                stack.callback(twin.close)
        yield first.sockets[0].getsockname()[1]


@asynccontextmanager
async def _accepting_tls(
    connect: Callable[[], asyncio.Protocol], host: str, port: int, tls: ssl.SSLContext
) -> AsyncIterator[int]:
    """Accepts TLS connections while the context is open, and yields the bound port. The arguments are those of
    `accepting`."""
    # Not by the loop's own server: it reports a connection after its handshake, so nobody could count clients that
    # connect and send nothing.
    with convert_listen_errors(host, port):
        family = (await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    with listener:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENDING_BYTES)  # connections inherit it
        handshakes = _Handshakes(connect, tls)
        try:
            async with alongside(handshakes.accept_from(listener)):
                yield listener.getsockname()[1]
        finally:
            await handshakes.close()


class _Handshakes:
    """TLS handshakes in progress at one port."""

    def __init__(self, connect: Callable[[], asyncio.Protocol], tls: ssl.SSLContext) -> None:
        self._connect = connect
        self._tls = tls
        self._running: OrderedDict[asyncio.Task[None], None] = OrderedDict()

    async def accept_from(self, listener: socket.socket) -> None:
        """Accepts connections and begins their handshakes, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            if len(self._running) >= MAX_HANDSHAKES:
                self._end_oldest("connections")
            elif descriptors.are_short() and self._running:
                self._end_oldest("descriptors")
            task = loop.create_task(self._shake_hands(accepted))
            self._running[task] = None
            task.add_done_callback(self._forget)
            await asyncio.sleep(0)  # a connection that waits already is accepted without a pause

    async def close(self) -> None:
        """Ends all handshakes in progress."""
        await finish_or_cancel(set(self._running), 0)

    async def _shake_hands(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError, ValueError):  # the client's fault, or its end
            await loop.connect_accepted_socket(
                self._connect, accepted, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE_S
            )

    def _end_oldest(self, reason: str) -> None:
        oldest, _ = self._running.popitem(last=False)
        oldest.cancel()
        metrics.http_closed(reason).inc()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
