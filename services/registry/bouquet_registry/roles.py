"""Rights of the PostgreSQL roles of `serve`, `journal serve` and `api`. The owner of the tables grants them."""

from __future__ import annotations

import re

from msgspec import Struct
from sqlalchemy import Connection, text

from bouquet_registry.journal.schema import journal

NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)
"""Pattern of role names that need no quotes in SQL."""

ALEMBIC = "alembic_version"
"""Name of the table in which Alembic notes the current revision of the database's tables."""
REGISTRY_RIGHTS = (
    f"SELECT ON {ALEMBIC}",
    "SELECT, INSERT, UPDATE ON habilitations, tokens, editors, editor_tokens, delegations",
    "SELECT, UPDATE ON log",
    "SELECT ON withdrawn_keys",
    "SELECT, INSERT, UPDATE ON served_scopes",
    "SELECT, INSERT, UPDATE, DELETE ON notices",
    "SELECT, INSERT ON events",
    "SELECT, INSERT, DELETE ON events_aside",
    "INSERT ON acts",
)
"""Rights of the role of `serve` when a separate process writes the journal. They give no access to the journal's
tables."""
CALL_COLUMNS = (
    "number, id, at, habilitation, token, recipient, operation, outcome, status, code, provider, cached, duration_ms, "
    "trace_id, request_id"
)
"""Columns of the journal that the role of `api` may read. They describe calls, but contain no pseudonyms of people."""
API_RIGHTS = (
    f"SELECT ON {ALEMBIC}",
    "SELECT, INSERT, UPDATE ON habilitations, tokens, editors, editor_tokens, delegations",
    "SELECT, UPDATE ON log",
    "SELECT, INSERT ON signatures",
    "SELECT, INSERT, DELETE ON withdrawn_keys",
    "SELECT ON served_scopes",
    "SELECT ON notices",
    "SELECT, INSERT ON events",
    "SELECT, DELETE ON events_aside",
    "SELECT, INSERT ON acts",
    f"SELECT ({CALL_COLUMNS}) ON journal",
    "SELECT ON journal_hours, journal_days, journal_rollup",
    "SELECT (id, number) ON journal_head",
)
"""Rights of the role of `api`. In the table `journal`, this role can read only the columns `CALL_COLUMNS`."""
JOURNAL_RIGHTS = (
    f"SELECT ON {ALEMBIC}",
    "SELECT, INSERT ON journal, journal_found, journal_aside",
    "SELECT, UPDATE (number, hash) ON journal_head",
    "SELECT, INSERT, UPDATE ON journal_hours, journal_days",
    "SELECT, UPDATE ON journal_rollup",
    "SELECT ON journal_pruned_hours",
)
"""Rights of the role of `journal serve`. The role can add records to the journal, but cannot change or remove any. It
can change the roll-ups, which are only counts and no evidence."""


class Roles(Struct, frozen=True):
    """Names of the PostgreSQL roles of `serve`, `journal serve` and `api`. An empty name stands for no role."""

    registry: str = ""
    journal: str = ""
    api: str = ""


NO_ROLES = Roles()


def grant(connection: Connection, roles: Roles) -> None:
    """Grants each role its rights on the registry's tables, and revokes all others."""
    # If both processes have the same role, it gets the rights of both.
    rights_of = ((roles.registry, REGISTRY_RIGHTS), (roles.journal, JOURNAL_RIGHTS), (roles.api, API_RIGHTS))
    wanted = [(role, rights) for role, rights in rights_of if role]
    for role, _ in wanted:
        connection.execute(text(f"REVOKE ALL ON {', '.join((ALEMBIC, *journal.metadata.tables))} FROM {role}"))
    for role, rights in wanted:
        for right in rights:
            connection.execute(text(f"GRANT {right} TO {role}"))
