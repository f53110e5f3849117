"""The settings that every worker has. The kit applies those of its upstreams as it opens them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """Settings of every worker, which an author's settings inherit: `BOUQUET_<PROVIDER>_*`."""

    concurrency: int = 50
    """Requests at a time, and so the most calls that each upstream sees at a time from one process."""
    upstream_calls_per_minute: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Calls that the provider allows each upstream in any minute, divided by the number of processes; 0 is no limit. A
    call that would wait too long for its turn is refused (`XX008`)."""
    timeout_s: float = 10.0
    """Seconds that one call to an upstream may take, where that upstream has no time limit of its own."""
    drain_s: float = 10.0
    """Seconds that a stopping worker gives its running requests; the pod's grace period must be longer."""
