"""Every name that crosses a process boundary: queues, exchanges, entry points, environment prefixes."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

NEARLY = 0.81
"""From how alike on one word is taken for another, misspelt."""

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

MESH_WORDS = ("BUS", "LOG")
"""What the mesh's own settings begin with, after its prefix."""
PART_WORDS = ("GATEWAY", "REGISTRY", "WORKER", "CASEBOOK")
"""And those of parts that are no provider's worker."""


def queue_of(provider: str) -> str:
    """The one queue that a provider's workers consume and a gateway publishes to."""
    return QUEUE_PREFIX + provider


def word_of_ours(name: str) -> str:
    """Which of `MESH_WORDS` and `PART_WORDS` the name of a variable or a provider begins with, or nearly does: no
    provider is called like that. `GATWAY_PORT` is a slip, not a provider's port. Empty for all others."""
    word = name.upper().partition("_")[0]
    return next(iter(get_close_matches(word, MESH_WORDS + PART_WORDS, 1, NEARLY)), "")


def worker_prefix(provider: str) -> str:
    """Environment prefix of a worker's own settings: `BOUQUET_CNAF_`."""
    return f"{MESH_PREFIX}{provider.upper()}_"
