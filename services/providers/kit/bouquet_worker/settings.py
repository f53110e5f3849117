"""Settings that every worker has: limits of its queue and of its calls to upstreams. Workers with one OAuth 2.0 client
have further settings."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from bouquet_mesh.secret import Secret
from bouquet_mesh.settings import Seconds


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """Settings of every worker, from the environment variables `BOUQUET_<PROVIDER>_*`. Each worker has a subclass with
    its own settings."""

    concurrency: Annotated[int, Meta(ge=1)] = 50
    """Largest number of requests that one process handles at once, and of its simultaneous calls to each upstream."""
    upstream_calls_per_minute: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    """Largest number of calls per minute that one process makes to each upstream; 0 for no limit. With several
    processes, give each its share of the provider's limit. A call above the limit waits, or fails with an error code
    that ends in `008` if the wait would be too long."""
    timeout_s: Seconds = 10.0
    """Timeout of one call to an upstream, in seconds, unless the upstream has a timeout of its own."""
    drain_s: Annotated[float, Meta(ge=0)] = 10.0
    """Seconds that a stopping worker waits for its running requests. The pod's grace period must be longer."""


class ClientCredentialsSettings(WorkerSettings, frozen=True, kw_only=True):
    """Settings of a worker that has one OAuth 2.0 client for all of its upstreams. The worker's author makes a
    `ClientCredentials` from these settings."""

    token_url: str
    """URL of the provider's token endpoint."""
    client_id: str
    """OAuth 2.0 client id of the worker, given by the provider."""
    client_secret: Secret
    """OAuth 2.0 client secret of the worker, given by the provider."""
