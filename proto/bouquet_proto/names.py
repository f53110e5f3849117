"""Every name that crosses a process boundary: queues, exchanges, entry points, environment prefixes."""

from __future__ import annotations

from typing import Any

EMBEDDED = "memory:"
"""The url of what lives in this process: the bus, the outbox, the cache."""

QUEUE_PREFIX = "bouquet.q."
REPLY_EXCHANGE = "bouquet.replies"

QUEUE_ARGUMENTS: dict[str, Any] = {"x-expires": 10_000}
"""Of a provider's queue. It goes with its last worker, or so many ms after a crash of the broker took that worker."""

JOURNAL_QUEUE = "bouquet.journal"
"""A durable quorum queue, with delivery confirmed: the one thing on the bus that must not be lost."""

WORKERS = "bouquet.workers"
"""Entry point group: a provider's `Worker`, hosted in the gateway's process by the embedded bus."""

SERVICES = "bouquet.services"
"""Entry point group: what gateways ask on their own account; hosted with the workers by the embedded bus."""

CASEBOOK = "bouquet.casebook"
"""Entry point group of the one who answers for every worker in a sandbox."""

COMMANDS = "bouquet.commands"
"""Entry point group: more subcommands of `bouquet-worker`. Each fills a parser; its docstring is its help."""

SIMULATORS = "bouquet.simulators"
"""Entry point group: a provider's `Simulator`."""

MESH_PREFIX = "BOUQUET_"
GATEWAY_PREFIX = "BOUQUET_GATEWAY_"

MESH_WORDS = ("BUS", "HTTP", "LOG")
"""The first word of each of the mesh's own settings, after the prefix."""
RESERVED_WORDS = (*MESH_WORDS, "GATEWAY", "REGISTRY", "WORKER", "CASEBOOK")
"""First words, after the mesh's prefix, of settings that are no provider's: no provider's name begins with one."""


def queue_of(provider: str) -> str:
    """The one queue that a provider's workers consume and a gateway publishes to."""
    return QUEUE_PREFIX + provider


def worker_prefix(provider: str) -> str:
    """Environment prefix of a worker's own settings: `BOUQUET_CNAF_`."""
    return f"{MESH_PREFIX}{provider.upper()}_"
