"""Reserve of file descriptors, which incoming connections may not use."""

from __future__ import annotations

import asyncio
import logging
import os
import resource

log = logging.getLogger(__name__)

RESERVED = 64
"""Number of file descriptors that incoming connections may not use. It is lower, an eighth of the process's limit on
file descriptors, if that limit is low."""
# At most an eighth of the process's limit.
CHECK_INTERVAL_S = 1.0


def first_reserved() -> int:
    """Returns the lowest reserved file descriptor. All from this number up to the process's limit are reserved."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return 2**31
    return limit - min(RESERVED, limit // 8)


def are_short() -> bool:
    """Whether only reserved file descriptors are left."""
    try:
        lowest = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return True
    os.close(lowest)
    return lowest >= first_reserved()


async def log_shortages() -> None:
    """Logs when file descriptors become short, and when they suffice again."""
    short = False
    while True:
        await asyncio.sleep(CHECK_INTERVAL_S)
        if are_short() is not short:
            short = not short
            if short:
                log.error(
                    "file descriptors nearly exhausted", extra={"most": resource.getrlimit(resource.RLIMIT_NOFILE)[0]}
                )
            else:
                log.info("file descriptors available again")
