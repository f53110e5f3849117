"""What one client, and all clients together, may take of a listening port."""

from __future__ import annotations

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """The defaults of those that are settings are in `MeshSettings`, to the same values."""

    head_s: float = 10.0
    """From the first byte of a request's head to its last."""
    body_s: float = 15.0
    """From the end of a request's head to the end of its body."""
    write_s: float = 30.0
    """How long bytes of an answer may wait for a client to take them. Each time that all are taken, it begins anew."""
    idle_s: float = 75.0
    """How long a connection is kept without a request; more than the proxy in front keeps it."""
    max_connections: int = 2_000
    max_unsent_bytes: int = 1_000_000
    """Of one connection: what is written and not yet taken by the kernel."""
    line_bytes: int = 8190
    field_bytes: int = 8190
    headers: int = 64
    lingering_s: float = 2.0
    """How long a body that nobody asked for is read."""

    @property
    def looked_at_every_s(self) -> float:
        """How often connections are compared with these limits."""
        return min(1.0, min(self.head_s, self.body_s, self.write_s, self.idle_s) / 4)
