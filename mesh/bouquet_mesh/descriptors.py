"""File descriptors, of which a process has so many and no more: strangers' connections leave some for its own work."""

from __future__ import annotations

import asyncio
import logging
import os
import resource

log = logging.getLogger(__name__)

RESERVED = 64
"""For the disk, the broker, stores and upstreams; of few descriptors, an eighth."""
LOOKED_AT_EVERY_S = 1.0


def ceiling() -> int:
    """The first descriptor that is kept for the process's own work. The kernel gives the lowest that is free."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        return 2**31
    return most - min(RESERVED, most // 8)


def are_short() -> bool:
    """Whether a descriptor that is opened now would be one of those, or could not be opened."""
    try:
        lowest = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return True
    os.close(lowest)
    return lowest >= ceiling()


async def watch() -> None:
    """Logs when they become short and when they are enough again, for ever."""
    short = False
    while True:
        await asyncio.sleep(LOOKED_AT_EVERY_S)
        if are_short() is not short:
            short = not short
            if short:
                log.error("descriptors run out", extra={"most": resource.getrlimit(resource.RLIMIT_NOFILE)[0]})
            else:
                log.info("descriptors enough again")
