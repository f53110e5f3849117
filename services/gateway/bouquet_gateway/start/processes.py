"""Several gateways on one port: a parent that starts them, replaces one that ends, and hands on what it is asked
(docs/adr/0013).

Each is a whole process of its own. A cord holds it to its parent, a socket in the place of its standard input: by it
the child says that it has started, and learns that its parent is no more.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress

from msgspec import Struct

from bouquet_mesh.backoff import pause_s

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.5
LAST_PAUSE_S = 30.0
SETTLED_S = 60.0
"""Who has lived so long is replaced after the first pause again."""

_CORD = 0
_STARTED = b"."


async def lead(count: int, environ: Mapping[str, str]) -> int:
    """Keeps `count` gateways with these settings, until SIGTERM or SIGINT and the end of them all.

    Gives the status to end with: the first one that is not 0. Until one gateway has started, its end is the end.
    """
    family = _Family(environ)
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, family.hand_on, signum)
    return await family.live(count)


def join_family() -> None:
    """Says to the parent that this one has started. From now on, the end of the parent is a SIGTERM."""
    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        loop.remove_reader(_CORD)
        signal.raise_signal(signal.SIGTERM)

    os.write(_CORD, _STARTED)
    loop.add_reader(_CORD, orphaned)


class _Child(Struct, frozen=True):
    process: Process
    cord: socket.socket
    born_at: float

    async def has_started(self) -> bool:
        """Returns once it has, or has ended."""
        return await asyncio.get_running_loop().sock_recv(self.cord, len(_STARTED)) == _STARTED

    async def ended(self) -> int:
        """Its exit status, as a shell tells it."""
        status = await self.process.wait()
        self.cord.close()
        return status if status >= 0 else 128 - status


class _Family:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._children: dict[int, _Child] = {}
        self._stopping = asyncio.Event()

    def hand_on(self, signum: int) -> None:
        """To all that live, each time: what a second one means, they know."""
        self._stopping.set()
        for child in self._children.values():
            with suppress(ProcessLookupError):
                child.process.send_signal(signum)

    async def live(self, count: int) -> int:
        """The first one alone, so that what keeps a gateway from starting is told once."""
        first = await self._start(1)
        if not await first.has_started():
            return await first.ended()
        others = [await self._start(number) for number in range(2, count + 1)]
        statuses = await asyncio.gather(*map(self._keep, range(1, count + 1), [first, *others]))
        return next(filter(None, statuses), 0)

    async def _keep(self, number: int, child: _Child) -> int:
        """Replaces it until the family stops. The status of the last one."""
        failures = 0
        while True:
            status = await child.ended()
            if self._stopping.is_set():
                return status
            log.error("gateway process ended", extra={"number": number, "status": status})
            failures = 0 if time.monotonic() - child.born_at > SETTLED_S else failures + 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s(failures, FIRST_PAUSE_S, LAST_PAUSE_S))
                return 0
            child = await self._start(number)

    async def _start(self, number: int) -> _Child:
        command = (sys.executable, "-P", "-m", "bouquet_gateway", "serve", "--number", str(number))
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            # In a session of its own: Ctrl-C in a terminal is for the parent, which hands it on once.
            process = await asyncio.create_subprocess_exec(
                *command, env=self._environ, stdin=theirs.fileno(), start_new_session=True
            )
        self._children[number] = child = _Child(process, ours, time.monotonic())
        log.info("gateway process started", extra={"number": number, "pid": process.pid})
        if self._stopping.is_set():
            process.terminate()
        return child
