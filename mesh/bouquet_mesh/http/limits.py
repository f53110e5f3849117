"""Limits on the time and memory that HTTP clients may use at a listening port."""

from __future__ import annotations

from msgspec import Struct, structs

OPERATORS_CONNECTIONS = 32
"""Largest number of connections to a port that serves only health and metrics."""


class Limits(Struct, frozen=True, kw_only=True):
    """Limits of a port and of each connection to the port. Operators may change some limits by settings, such as
    `BOUQUET_HTTP_HEAD_S` for `head_s`."""

    head_s: float = 10.0
    """Longest time, in seconds, from the first byte of a request's head to its last byte."""
    body_s: float = 15.0
    """Longest time, in seconds, from the end of a request's head to the end of its body."""
    write_s: float = 30.0
    """Longest time, in seconds, that bytes of an answer wait for the client to take them."""
    # It starts again whenever the client has taken all that waited.
    idle_s: float = 75.0
    """Longest time, in seconds, that a connection stays open without a request. A proxy in front of the server needs a
    shorter limit, so that the proxy closes idle connections first."""
    max_connections: int = 2_000
    max_connections_per_address: int = 1_000
    """Largest number of connections from one address (in IPv6, from one /48 network)."""
    may_use_reserve: bool = False
    """Whether connections to this port may use the file descriptors that the process keeps in reserve for its own
    work."""
    max_unsent_bytes: int = 1_000_000
    """Largest number of bytes of an answer that a connection may buffer for a slow client. The server closes a
    connection that exceeds this number."""
    line_bytes: int = 8190
    """Largest length of a request line, in bytes."""
    field_bytes: int = 8190
    """Largest length of one header field, in bytes."""
    headers: int = 64
    """Largest number of header fields in one request."""
    lingering_s: float = 2.0
    """Longest time, in seconds, that the server goes on reading the body of a request that it has already answered."""

    def for_operators(self) -> Limits:
        """Returns the limits of a port that serves only health and metrics. Such a port accepts few connections, which
        may use the reserve of file descriptors."""
        # So a process answers its probes while another port of it has taken all descriptors that it may.
        most = min(self.max_connections, OPERATORS_CONNECTIONS)
        return structs.replace(self, max_connections=most, may_use_reserve=True)

    @property
    def check_interval_s(self) -> float:
        """Seconds between two checks of the connections' time limits: a quarter of the shortest time limit, but at most
        1 second."""
        return min(1.0, min(self.head_s, self.body_s, self.write_s, self.idle_s) / 4)
