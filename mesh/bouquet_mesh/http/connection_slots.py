"""Limit on the number of connections of one port. At the limit, a new connection replaces the connection that has
waited longest for its client."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

from bouquet_mesh import descriptors
from bouquet_mesh.http.limits import Limits
from bouquet_mesh.networks import networks_of
from bouquet_mesh.observe import metrics

FullReason: TypeAlias = Literal["address", "connections", "descriptors"]
"""Limit that leaves no room for a further connection. `address` limits the connections of one client address, and
`connections` those of the port. `descriptors` is the process's limit of file descriptors."""


class Closable(Protocol):
    """Connection that can be closed to make room for another one."""

    def close_for(self, reason: FullReason) -> None: ...


C = TypeVar("C", bound=Closable)


class ConnectionSlots(Generic[C]):
    """Open connections of one port, up to a limit. At the limit, a new connection replaces the connection that has
    waited longest for its client."""

    # A client that sends nothing, or too slowly, thus keeps no other client from its place. A connection whose request
    # is being answered is never closed.

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._networks: dict[C, str] = {}
        self._counts: Counter[str] = Counter()
        self._waiting: OrderedDict[C, None] = OrderedDict()
        """Connections whose clients keep the server waiting, longest wait first."""
        # The values are unused: the mapping serves as an ordered set.
        self._most = limits.max_connections
        self._most_reason: FullReason = "connections"

    def open_connections(self) -> tuple[C, ...]:
        return tuple(self._networks)

    def take(self, connection: C, address: str) -> FullReason | None:
        """Gives a new connection a place, and returns None. If no place is left, first closes the connection that has
        waited longest for its client. If no connection waits, returns the name of the limit."""
        network = networks_of(address)[-1]
        if self._counts[network] >= self._limits.max_connections_per_address and not self._evict("address", network):
            return "address"
        if len(self._networks) >= self._most and not self._evict(self._most_reason):
            return self._most_reason
        self._networks[connection] = network
        self._counts[network] += 1
        metrics.HTTP_CONNECTIONS.inc()
        return None

    def adapt_to_descriptors(self) -> None:
        """Sets the largest number of connections to what the process's free file descriptors allow, up to the port's
        limit. If too many connections are open, closes waiting connections, longest wait first. Does nothing if
        `Limits.may_use_reserve` is true."""
        if self._limits.may_use_reserve:
            return
        available = descriptors.unreserved() - (descriptors.in_use() - len(self._networks))
        self._most = min(self._limits.max_connections, available)
        self._most_reason = "connections" if self._most == self._limits.max_connections else "descriptors"
        while len(self._networks) > self._most and self._evict(self._most_reason):
            pass

    def leave(self, connection: C) -> None:
        """Frees the place of a connection, if it has one."""
        self._waiting.pop(connection, None)
        network = self._networks.pop(connection, None)
        if network is None:
            return
        metrics.HTTP_CONNECTIONS.dec()
        self._counts[network] -= 1
        if not self._counts[network]:
            del self._counts[network]

    def mark_waiting(self, connection: C) -> None:
        """Records that the server now waits for the client of `connection`. If the server waited already, the wait
        still counts from its beginning."""
        self._waiting[connection] = None

    def mark_busy(self, connection: C) -> None:
        """Records that a connection no longer waits for its client, because the server is working on the client's
        request."""
        self._waiting.pop(connection, None)

    def _evict(self, reason: FullReason, network: str | None = None) -> bool:
        """Closes the connection that has waited longest for its client. If `network` is given, considers only
        connections from that network. Returns whether there was a connection to close."""
        found = next((one for one in self._waiting if network in (None, self._networks[one])), None)
        if found is not None:
            found.close_for(reason)
        return found is not None
