"""Refusal of repeated calls: a caller may not make a call again while the same call is in flight
(docs/reference/contract.md §2.6)."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.stores.cache import Cache, key_of
from bouquet_mesh.secret import Secret

MARGIN_S = 1.0
"""Seconds after a call's deadline at which the call expires from the list of calls in flight."""
# The expiry removes a marker that a process could not delete because it ended during the call.


class InFlight:
    """List of the calls in flight, kept in the cache. While a call is in the list, the same caller cannot make the same
    call again."""

    def __init__(self, cache: Cache, secret: Secret, deadline_s: float) -> None:
        self._cache = cache
        self._secret = secret
        self._lives_s = deadline_s + MARGIN_S

    def exclusive(self, path: str, raw_query: str, digest: str) -> AbstractAsyncContextManager[None]:
        """Marks a call as in flight while the context is open. Raises `Problem` if the same caller already has a call
        with this path and query in flight. `digest` identifies the caller."""
        # The order of query parameters makes no difference.
        marker = key_of(self._secret, "in flight", path, sorted(raw_query.split("&")), digest)
        return _Marked(self._cache, marker, self._lives_s)


class _Marked(AbstractAsyncContextManager[None]):
    """Context manager that adds a call to the list of calls in flight on entry, and removes the call on exit."""

    __slots__ = ("_cache", "_lives_s", "_marker")

    def __init__(self, cache: Cache, marker: str, lives_s: float) -> None:
        self._cache = cache
        self._marker = marker
        self._lives_s = lives_s

    async def __aenter__(self) -> None:
        try:
            is_own = await self._cache.add(self._marker, self._lives_s)
        except BaseException:  # also a cancellation: the marker may have been written
            await self._cache.delete(self._marker)
            raise
        if not is_own:
            raise Problem("already_in_flight")

    async def __aexit__(self, *_: object) -> None:
        await self._cache.delete(self._marker)
