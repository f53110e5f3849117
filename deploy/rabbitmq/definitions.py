"""Prints RabbitMQ definitions with a user for the gateway, the registry, the writer of the access journal, and each
named provider. Each user has as few rights as possible.

    python deploy/rabbitmq/definitions.py --passwords DIR cnaf msa mesr … > definitions.json
    rabbitmqctl import_definitions definitions.json        # or `load_definitions` in rabbitmq.conf

DIR holds one file per user, named after the user, with the user's password. Missing files are made, with random
passwords. The output contains only salted hashes of the passwords. A later import updates passwords and rights, and
deletes no other users.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct

from bouquet_proto.names import (
    CHECK_PREFIX,
    GATEWAY_OWNER,
    JOURNAL_OWNER,
    JOURNAL_QUEUE,
    QUEUE_PREFIX,
    REPLY_EXCHANGE,
    queue_of,
    reserve_queue_of,
)
from bouquet_proto.registry_messages import PROVIDER as REGISTRY

USER_PREFIX = "bouquet-"
GATEWAY, JOURNAL = GATEWAY_OWNER, JOURNAL_OWNER
PROVIDER_NAME = re.compile(r"[a-z][a-z0-9_]*")
PASSWORD_BYTES = 32
REPLIES_MAX_BYTES = 64 * 1024 * 1024
"""Largest total size, in bytes, of the messages in a gateway's reply queue. Beyond it, RabbitMQ drops the oldest
replies."""
WAITING_REQUESTS = 1
"""Largest number of requests that may wait in a provider's queue for a worker. RabbitMQ refuses any further request,
which the gateway then sends again."""
# With a higher limit, RabbitMQ 4 would write waiting requests to its disk (docs/adr/0015).
MAX_WORKERS = 64
MAX_CHANNELS_OF_WORKER = 32
# While the node of its queue is lost, a worker tries to declare the queue every 5 s, and RabbitMQ 4 keeps the channel
# of each try for 75 s. A user that has too many channels loses its connections.
WORKER_LIMITS = {"max-connections": MAX_WORKERS, "max-channels": MAX_WORKERS * MAX_CHANNELS_OF_WORKER}
"""Largest numbers of connections and channels that the workers of one provider may open together."""
# All of them connect as the same RabbitMQ user, to which RabbitMQ applies these limits.


class Rights(Struct, frozen=True):
    """Rights of a RabbitMQ user to configure, write to and read from queues and exchanges. Each right is a regular
    expression for names. `limits` gives the user's largest numbers of connections and channels."""

    # An empty expression grants nothing.

    configure: str
    write: str
    read: str
    limits: dict[str, int] = {}


def rights(providers: Sequence[str], *, registry_writes_journal: bool) -> Iterator[tuple[str, Rights]]:
    # Only the gateway may publish to the default exchange. This exchange leads to every queue, and RabbitMQ cannot
    # restrict a user to some of them.
    replies = rf"{re.escape(REPLY_EXCHANGE)}\.[0-9a-f]+"
    both = f"^{re.escape(REPLY_EXCHANGE)}$|^{replies}$"
    yield (
        GATEWAY,
        Rights(configure=f"{both}|{_check_queue_pattern(GATEWAY)}", write=rf"^amq\.default$|^{replies}$", read=both),
    )
    owners = (REGISTRY, JOURNAL) if registry_writes_journal else (REGISTRY,)
    yield REGISTRY, _answering(*owners)
    yield JOURNAL, _answering(JOURNAL)
    for provider in providers:
        yield provider, _answering(provider, limits=WORKER_LIMITS)


def _queues(owner: str) -> tuple[str, ...]:
    own = (queue_of(owner), reserve_queue_of(owner))
    return (JOURNAL_QUEUE, *own) if owner == JOURNAL else own


def _check_queue_pattern(owner: str) -> str:
    """Returns a regular expression for the names of the queues with which the process `owner` checks its RabbitMQ
    node."""
    # The process declares and deletes a queue to check that the node accepts changes.
    return rf"^{re.escape(CHECK_PREFIX)}{owner}\.[0-9a-f]+$"


def _answering(*owners: str, limits: dict[str, int] | None = None) -> Rights:
    own = "|".join(f"^{re.escape(queue)}$" for owner in owners for queue in _queues(owner))
    checks = "|".join(map(_check_queue_pattern, owners))
    return Rights(configure=f"{own}|{checks}", write=f"^{re.escape(REPLY_EXCHANGE)}$", read=own, limits=limits or {})


def definitions(vhost: str, rights_by_process: Iterable[tuple[str, Rights]], passwords: Path) -> dict[str, Any]:
    """Returns RabbitMQ's definitions of a virtual host, with one user for each process in `rights_by_process`. The
    folder `passwords` holds one file per user, with the user's password. A missing file is made, with a random
    password."""
    named = {USER_PREFIX + process: allowed for process, allowed in rights_by_process}
    return {
        "vhosts": [{"name": vhost}],
        "users": [
            {
                "name": user,
                "password_hash": hashed(_password(passwords / user)),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": "",
                "limits": allowed.limits,
            }
            for user, allowed in named.items()
        ],
        "permissions": [
            {
                "user": user,
                "vhost": vhost,
                "configure": allowed.configure,
                "write": allowed.write,
                "read": allowed.read,
            }
            for user, allowed in named.items()
        ],
        "exchanges": [
            {
                "name": REPLY_EXCHANGE,
                "vhost": vhost,
                "type": "direct",
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
        ],
        "policies": [
            {
                "name": "bouquet requests",
                "vhost": vhost,
                "pattern": f"^{re.escape(QUEUE_PREFIX)}",
                "apply-to": "queues",
                "priority": 0,
                "definition": {"max-length": WAITING_REQUESTS, "overflow": "reject-publish"},
            },
            {
                "name": "bouquet replies",
                "vhost": vhost,
                "pattern": rf"^{re.escape(REPLY_EXCHANGE)}\.",
                "apply-to": "queues",
                "priority": 0,
                "definition": {"max-length-bytes": REPLIES_MAX_BYTES, "overflow": "drop-head"},
            },
        ],
    }


def hashed(password: str) -> str:
    """Returns the hash of a password as RabbitMQ stores it, in base64: the salt, then the SHA-256 of salt and
    password."""
    salt = secrets.token_bytes(4)
    return b64encode(salt + sha256(salt + password.encode()).digest()).decode()


def _password(file: Path) -> str:
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
            made.write(secrets.token_urlsafe(PASSWORD_BYTES))
    password = file.read_text().strip()
    if not password:
        raise SystemExit(f"{file}: is empty")
    return password


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("providers", nargs="+", metavar="PROVIDER")
    parser.add_argument(
        "--passwords", type=Path, required=True, metavar="DIR", help="folder with a password file for each user"
    )
    parser.add_argument("--vhost", default="bouquet")
    parser.add_argument(
        "--registry-writes-journal",
        action="store_true",
        help="let the registry's user read the journal's queue, where `bouquet-registry serve` writes the journal",
    )
    arguments = parser.parse_args()
    for provider in arguments.providers:
        if not PROVIDER_NAME.fullmatch(provider) or provider in (GATEWAY, REGISTRY, JOURNAL):
            parser.error(f"{provider!r} is no name of a provider")
    if not arguments.passwords.is_dir():
        parser.error(f"{arguments.passwords} is no folder")
    allowed = rights(arguments.providers, registry_writes_journal=arguments.registry_writes_journal)
    print(json.dumps(definitions(arguments.vhost, allowed, arguments.passwords), indent=2))


if __name__ == "__main__":
    main()
