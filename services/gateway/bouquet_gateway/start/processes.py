"""Several gateway processes on one port. A parent process starts them, replaces each one that ends, and forwards
signals to them (docs/adr/0013)."""
# Each child is a whole gateway. Its standard input is a socket to the parent: through it the child reports that it has
# started, and notices that the parent has ended.

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
STABLE_S = 60.0
"""Seconds after which a started process counts as stable. If a process ends earlier, the pause before the next start
doubles."""

_PARENT = 0
_STARTED = b"."
"""Byte that a child sends to its parent when it has started."""


async def supervise(count: int, environ: Mapping[str, str]) -> int:
    """Runs `count` gateway processes until SIGTERM or SIGINT. Returns 0 if all end with exit status 0, otherwise the
    exit status of a process that failed."""
    # The other status is the first one in the order of the processes' numbers.
    # If the first gateway cannot start, returns its exit status at once.
    supervisor = _Supervisor(environ)
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, supervisor.forward, signum)
    return await supervisor.run(count)


def report_started() -> None:
    """Tells the parent process that this process has started. Afterwards, this process stops when the parent ends."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(_PARENT)
        signal.raise_signal(signal.SIGTERM)

    os.write(_PARENT, _STARTED)
    loop.add_reader(_PARENT, stop)


class _Child(Struct, frozen=True):
    """Child process, its start time, and the parent's end of the socket between parent and child."""

    process: Process
    pipe: socket.socket
    started_at: float

    async def has_started(self) -> bool:
        """Waits until the child reports its start, and returns `True`. Returns `False` if the child ends without a
        report."""
        return await asyncio.get_running_loop().sock_recv(self.pipe, len(_STARTED)) == _STARTED

    async def ended(self) -> int:
        """Waits for the end of the child, and returns its exit status. If signal n has ended the child, the status is
        128 + n."""
        status = await self.process.wait()
        self.pipe.close()
        return status if status >= 0 else 128 - status


class _Supervisor:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._children: dict[int, _Child] = {}
        self._stopping = asyncio.Event()

    def forward(self, signum: int) -> None:
        """Forwards a signal to every child. Children that end afterwards are not replaced."""
        self._stopping.set()
        for child in self._children.values():
            with suppress(ProcessLookupError):
                child.process.send_signal(signum)

    async def run(self, count: int) -> int:
        """Runs `count` children until a signal ends all of them, or until the first child fails to start. Returns 0 if
        all end with exit status 0, otherwise the exit status of a child that failed."""
        # The first child is started alone, so a wrong setting is reported only once.
        first = await self._start(1)
        if not await first.has_started():
            return await first.ended()
        others = [await self._start(number) for number in range(2, count + 1)]
        statuses = await asyncio.gather(*map(self._supervise, range(1, count + 1), [first, *others]))
        return next(filter(None, statuses), 0)

    async def _supervise(self, number: int, child: _Child) -> int:
        """Replaces the child with this number each time it ends, until a signal stops the supervision. Returns the last
        child's exit status, or 0 if no child runs when the signal comes."""
        failures = 0
        while True:
            status = await child.ended()
            if self._stopping.is_set():
                return status
            log.error("gateway process ended", extra={"number": number, "status": status})
            failures = 0 if time.monotonic() - child.started_at > STABLE_S else failures + 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s(failures, FIRST_PAUSE_S, LAST_PAUSE_S))
                return 0
            child = await self._start(number)

    async def _start(self, number: int) -> _Child:
        command = (sys.executable, "-P", "-m", "bouquet_gateway", "serve", "--number", str(number))
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            # In a session of its own, so that Ctrl-C in a terminal reaches it once, through the parent.
            process = await asyncio.create_subprocess_exec(
                *command, env=self._environ, stdin=theirs.fileno(), start_new_session=True
            )
        self._children[number] = child = _Child(process, ours, time.monotonic())
        log.info("gateway process started", extra={"number": number, "pid": process.pid})
        if self._stopping.is_set():
            process.terminate()
        return child
