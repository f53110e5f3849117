"""Rights of the PostgreSQL roles of `serve` and `journal serve`.

The owner of the tables grants them after a migration; only the owner can migrate the tables, prune the journal, and
write the records put aside as unreadable (`readmit`).
"""

from __future__ import annotations

import re

from msgspec import Struct
from sqlalchemy import Connection, text

from bouquet_registry.journal.schema import journal

NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)
"""Pattern of the role names that need no quotes in SQL."""

ALEMBIC = "alembic_version"
"""Table in which Alembic keeps the revision of the tables."""
REGISTRY_RIGHTS = (
    f"SELECT ON {ALEMBIC}",
    "SELECT, INSERT, UPDATE ON habilitations, tokens, editors, editor_tokens, delegations",
    "SELECT, UPDATE ON log",
    "SELECT, INSERT, UPDATE, DELETE ON notices",
    "SELECT, INSERT ON events",
    "INSERT ON acts",
)
"""Rights of the role of `serve` if another process writes the journal. The role can neither read nor change the
journal's records."""
JOURNAL_RIGHTS = (
    f"SELECT ON {ALEMBIC}",
    "SELECT, INSERT ON journal, journal_found, journal_aside",
    "SELECT, UPDATE (number, hash) ON journal_head",
)
"""Rights of the role of `journal serve`. The role can add records to the journal, but cannot change, remove or prune
any record."""


class Roles(Struct, frozen=True):
    """Names of the PostgreSQL roles of `serve` and `journal serve`. The roles must exist; an empty name means that
    there is no such role."""

    registry: str = ""
    journal: str = ""


NO_ROLES = Roles()


def grant(connection: Connection, roles: Roles) -> None:
    """Grants each role its rights on the registry's tables, and revokes all its other rights on them. If both processes
    have the same role, it gets the rights of both."""
    wanted = [
        (role, rights) for role, rights in ((roles.registry, REGISTRY_RIGHTS), (roles.journal, JOURNAL_RIGHTS)) if role
    ]
    for role, _ in wanted:
        connection.execute(text(f"REVOKE ALL ON {', '.join((ALEMBIC, *journal.metadata.tables))} FROM {role}"))
    for role, rights in wanted:
        for right in rights:
            connection.execute(text(f"GRANT {right} TO {role}"))
