"""Connection to the primary, the PostgreSQL server that accepts writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]

HOST_TIMEOUT_S = 3.0
"""Longest time, in seconds, to connect to one database server. After it, the next server is tried."""
NOT_PRIMARY = (
    OSError,  # down or silent
    asyncpg.PostgresConnectionError,  # a proxy whose server is down
    asyncpg.CannotConnectNowError,  # starting or stopping
    asyncpg.TargetServerAttributeNotMatched,  # a standby
)


async def connect_to_primary(*, host: Sequence[str], port: Sequence[int], **options: Any) -> asyncpg.Connection:
    """Returns a connection to the first server that accepts writes. `host` and `port` list the servers' hosts and
    ports. If no server accepts writes, raises the error of the last one."""
    # Does not let asyncpg try the servers, since asyncpg has one timeout for all of them: if the first server hangs, no
    # time is left for the others.
    *others, last = zip(host, port, strict=True)
    for address in others:
        try:
            return await _connect(address, options)
        except NOT_PRIMARY:
            continue
    return await _connect(last, options)


async def _connect(address: tuple[str, int], options: dict[str, Any]) -> asyncpg.Connection:
    host, port = address
    own = {"target_session_attrs": "read-write", "timeout": HOST_TIMEOUT_S}
    return await asyncpg.connect(host=host, port=port, **{**options, **own})
