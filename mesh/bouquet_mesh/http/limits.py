"""Limits on the time and memory that HTTP clients may use at a listening port."""

from __future__ import annotations

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """Limits of a port and each of its connections. `MeshSettings` has the same defaults."""

    head_s: float = 10.0
    """Time from the first byte of a request's head to its last."""
    body_s: float = 15.0
    """Time from the end of a request's head to the end of its body."""
    write_s: float = 30.0
    """Time that bytes of an answer may wait for the client. It starts again whenever all have been taken."""
    idle_s: float = 75.0
    """Time that a connection stays open without a request; longer than a proxy in front of it keeps it open."""
    max_connections: int = 2_000
    max_unsent_bytes: int = 1_000_000
    """Bytes of an answer that are written and not yet taken by the kernel, for one connection."""
    line_bytes: int = 8190
    """Length of a request line."""
    field_bytes: int = 8190
    """Length of one header field."""
    headers: int = 64
    """Number of header fields."""
    lingering_s: float = 2.0
    """Time that the rest of a body is read after its request was answered."""

    @property
    def check_interval_s(self) -> float:
        """Interval between checks of the connections' time limits, at most one second."""
        return min(1.0, min(self.head_s, self.body_s, self.write_s, self.idle_s) / 4)
