"""Examination of redis, and of this machine's clock, by comparison with the clock of redis."""

from __future__ import annotations

import asyncio
import time

from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from bouquet_gateway.settings import GatewaySettings
from bouquet_gateway.stores.redis_client import SENTINEL_GROUP, SENTINEL_PASSWORD, SETTING, addresses_of, open_redis
from bouquet_mesh.doctor import files
from bouquet_mesh.doctor.findings import Finding, unknown, well, wrong
from bouquet_mesh.tls.context import tls_error_of
from bouquet_proto.deadline import CLOCK_TOLERANCE_S, Deadline
from bouquet_proto.names import EMBEDDED

NTP_REMEDY = "set the clocks by NTP: deadlines travel as wall-clock seconds"


async def examine(settings: GatewaySettings, deadline: Deadline) -> list[Finding]:
    """Examines redis, and how far this machine's clock differs from the clock of redis. Returns the findings."""
    url = settings.cache_url.reveal()
    if url == EMBEDDED:
        return [unknown("redis", "not used: each process has its own cache and rate limits"), _no_clock()]
    address = ", ".join(addresses_of(url))
    try:
        async with asyncio.timeout(deadline.left_s()), open_redis(settings.cache_url) as client:
            began = time.time()
            seconds, microseconds = await client.time()
            ended = time.time()
    except (RedisError, OSError, TimeoutError) as error:
        return [_unreachable(address, error), _no_clock()]
    ahead_s = (began + ended) / 2 - (seconds + microseconds / 1e6)
    certificates = files.check_servers(SETTING, settings.cache_url)
    return [well("redis", f"answers at {address}"), _clock(ahead_s, "redis's"), *certificates]


def _unreachable(address: str, error: Exception) -> Finding:
    if words := tls_error_of(error):
        return wrong("redis", f"TLS to {address} fails: {words}", f"compare the certificates with {SETTING}")
    if isinstance(error, AuthenticationError | ResponseError):
        return wrong("redis", f"{address} refuses the user or the password", f"mend {SETTING}")
    consequence = "gateways answer without it: no shared cache, and rate limits of their own"
    if isinstance(error, MasterNotFoundError):  # it does not tell why: down, another password, or another group
        remedy = f"start them, or mend the certificates, {SENTINEL_GROUP}= or {SENTINEL_PASSWORD}= of {SETTING}"
        return wrong("redis", f"no Sentinel at {address} names a primary; {consequence}", remedy)
    return wrong(
        "redis", f"{address} cannot be reached ({type(error).__name__}); {consequence}", f"start it, or mend {SETTING}"
    )


def _clock(ahead_s: float, whose: str) -> Finding:
    """Returns the result of comparing this machine's clock with another clock. `ahead_s` is the difference in seconds,
    negative if this machine is behind. `whose` names the other clock in the text, such as `redis's`."""
    # `ahead_s` is negative if this machine is behind; it may be wrong by half of the time that redis took to answer.
    difference = f"{abs(ahead_s):.2f} s {'ahead of' if ahead_s > 0 else 'behind'} {whose}"
    if abs(ahead_s) > CLOCK_TOLERANCE_S:
        return wrong("clock", f"{difference}, more than {CLOCK_TOLERANCE_S:g} s", NTP_REMEDY)
    return well("clock", difference)


def _no_clock() -> Finding:
    return unknown("clock", "without redis there is no other clock to compare with", NTP_REMEDY, needs=("redis",))
