"""File descriptors that a process keeps in reserve for its own work, so that incoming connections cannot use them
up."""

from __future__ import annotations

import asyncio
import logging
import os
import resource

log = logging.getLogger(__name__)

RESERVED = 128
"""Number of file descriptors that incoming connections may not use. A process that may open fewer than 1024 keeps an
eighth of its limit instead."""
# Four times `http.accept.ACCEPTED_AT_ONCE`: more than are accepted before the server has closed as many others.
CHECK_INTERVAL_S = 1.0


def unreserved() -> int:
    """Returns the number of file descriptors that incoming connections may use: the process's limit minus the
    descriptors kept in reserve."""
    return _limit() - _reserve()


def in_use() -> int:
    """Returns the number of open file descriptors of this process, or 0 on a system that does not list them."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


def are_short() -> bool:
    """Returns whether file descriptors may soon run out: half of the reserve is in use, or no descriptor can be
    opened."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return True
    return in_use() >= _limit() - _reserve() // 2


def _limit() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 if limit == resource.RLIM_INFINITY else limit


def _reserve() -> int:
    return min(RESERVED, _limit() // 8)


async def log_shortages() -> None:
    """Logs when file descriptors become short and when they suffice again, until cancelled."""
    short = False
    while True:
        await asyncio.sleep(CHECK_INTERVAL_S)
        if are_short() is not short:
            short = not short
            if short:
                log.error("file descriptors nearly exhausted", extra={"most": _limit()})
            else:
                log.info("file descriptors available again")
