"""Names that several processes share: queues, exchanges, entry-point groups and prefixes of environment variables."""

from __future__ import annotations

import re
from typing import Any

EMBEDDED = "memory:"
"""URL that selects the process's own memory instead of a server. Allowed for the bus, the cache and the outbox (queue
of journal records)."""

PROVIDER_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
"""Pattern of a provider's name, such as `cnaf` or `france_travail`."""

QUEUE_PREFIX = "bouquet.q."
RESERVE_SUFFIX = ".reserve"
"""Ending of the name of a provider's reserve queue, used while the broker node of the usual queue is down."""
# No other queue's name ends like this, because providers' names contain no full stop.
REPLY_EXCHANGE = "bouquet.replies"
CHECK_PREFIX = "bouquet.check."
"""Prefix of the names of check queues. A process declares such a queue, and deletes it at once, to find out whether the
broker accepts changes."""
GATEWAY_OWNER = "gateway"
JOURNAL_OWNER = "journal"
"""Name of the process that writes the access journal."""

QUEUE_ARGUMENTS: dict[str, Any] = {"x-expires": 10_000}
"""Arguments with which a provider's queue is declared. `x-expires` is in milliseconds: after this time without a
consumer, RabbitMQ deletes the queue."""

JOURNAL_QUEUE = "bouquet.journal"
"""Name of the durable quorum queue through which gateways send records of the access journal to the registry."""

WORKERS = "bouquet.workers"
"""Entry-point group of the providers' `Worker`s. A gateway that runs without a broker (`EMBEDDED`) runs these workers
in its own process."""

SERVICES = "bouquet.services"
"""Entry-point group of services that gateways call, such as the registry. A gateway that runs without a broker
(`EMBEDDED`) runs these services in its own process."""

CASEBOOK = "bouquet.casebook"
"""Entry-point group of the casebook, the service that answers all requests in a sandbox instead of workers."""

COMMANDS = "bouquet.commands"
"""Entry-point group of subcommands that other packages add to `bouquet-worker`. Each entry point is a function that
adds the subcommand's arguments to a parser. The function's docstring is the help of the subcommand."""

SIMULATORS = "bouquet.simulators"
"""Entry-point group of the providers' `Simulator`s, which imitate upstreams."""

MESH_PREFIX = "BOUQUET_"
"""Prefix of all environment variables of Bouquet."""
GATEWAY_PREFIX = "BOUQUET_GATEWAY_"
"""Prefix of the gateway's environment variables."""

MESH_WORDS = ("BUS", "HTTP", "LOG")
"""First words, after `BOUQUET_`, of the settings that all processes have, such as `BUS` in `BOUQUET_BUS_URL`."""
RESERVED_WORDS = (*MESH_WORDS, "GATEWAY", "REGISTRY", "JOURNAL", "WORKER", "CASEBOOK", "TRY")
"""Words with which a provider's name may not begin, because other processes use them. For example, a provider `gateway`
would share the gateway's variables `BOUQUET_GATEWAY_…`."""


def queue_of(provider: str) -> str:
    """Returns the name of the queue that carries requests to a provider's workers."""
    return QUEUE_PREFIX + provider


def reserve_queue_of(provider: str) -> str:
    """Returns the name of a provider's reserve queue. Requests go there while the broker node of the usual queue
    (`queue_of`) is down."""
    return queue_of(provider) + RESERVE_SUFFIX


def check_queue_of(owner: str, suffix: str) -> str:
    """Returns the name of a check queue, which a process declares to find out whether the broker accepts changes.
    `owner` is the kind of process, such as `gateway` or `cnaf`; `suffix` makes the name unique."""
    return f"{CHECK_PREFIX}{owner}.{suffix}"


def worker_prefix(provider: str) -> str:
    """Returns the prefix of the environment variables of a provider's worker, such as `BOUQUET_CNAF_`."""
    return f"{MESH_PREFIX}{provider.upper()}_"
