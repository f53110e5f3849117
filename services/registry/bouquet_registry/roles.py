"""What the database roles of `serve` and `journal serve` may do in a PostgreSQL.

The owner of the tables grants it after a migration. Only the owner migrates, prunes and readmits.
"""

from __future__ import annotations

import re

from msgspec import Struct
from sqlalchemy import Connection, text

from bouquet_registry.journal.schema import journal

NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)
"""A role's, in SQL, without quotes."""

ALEMBIC = "alembic_version"
REGISTRY_RIGHTS = (
    f"SELECT ON {ALEMBIC}",
    "SELECT, INSERT, UPDATE ON habilitations, tokens",
    "SELECT, UPDATE ON log",
    "SELECT, INSERT, UPDATE, DELETE ON notices",
    "SELECT, INSERT ON events",
    "INSERT ON acts",
)
"""Of `serve`, where another process writes the journal: it neither reads nor changes one."""
JOURNAL_RIGHTS = (
    f"SELECT ON {ALEMBIC}",
    "SELECT, INSERT ON journal, journal_found, journal_aside",
    "SELECT, UPDATE (number, hash) ON journal_head",
)
"""Of `journal serve`: it adds records, and can neither change nor remove one, nor say that records were pruned."""


class Roles(Struct, frozen=True):
    """Names of roles that exist; an empty one is given nothing."""

    registry: str = ""
    journal: str = ""


NO_ROLES = Roles()


def grant(connection: Connection, roles: Roles) -> None:
    """Each role has its rights on our tables afterwards, and no others. One role may be both."""
    wanted = [
        (role, rights) for role, rights in ((roles.registry, REGISTRY_RIGHTS), (roles.journal, JOURNAL_RIGHTS)) if role
    ]
    for role, _ in wanted:
        connection.execute(text(f"REVOKE ALL ON {', '.join((ALEMBIC, *journal.metadata.tables))} FROM {role}"))
    for role, rights in wanted:
        for right in rights:
            connection.execute(text(f"GRANT {right} TO {role}"))
