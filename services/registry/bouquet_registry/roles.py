"""Roles (users) of PostgreSQL for `serve`, `journal serve` and `api`, each with the rights that its process needs.
`migrate` grants these rights as the owner of the tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct
from sqlalchemy import Connection, text

from bouquet_registry.journal.schema import journal

ROLE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)
"""Pattern of names of PostgreSQL roles that need no quotes in SQL."""

ALEMBIC = "alembic_version"
"""Name of the table in which Alembic notes the current revision of the database's tables."""
REGISTRY_RIGHTS = (
    f"SELECT ON {ALEMBIC}",
    "SELECT, INSERT, UPDATE ON habilitations, tokens, editors, editor_tokens, delegations",
    "SELECT, UPDATE ON log",
    "SELECT ON signatures, withdrawn_keys, revoked_proofs",
    "SELECT, INSERT, UPDATE, DELETE ON served_scopes",
    "SELECT, INSERT, UPDATE, DELETE ON notices, editor_notices",
    "SELECT, INSERT ON events",
    "SELECT, INSERT, DELETE ON events_aside",
    "INSERT ON acts",
)
"""Rights of the role of `serve` if a separate process writes the journal. Otherwise, the role also needs
`JOURNAL_RIGHTS`."""
CALL_COLUMNS = (
    "number, id, at, habilitation, token, recipient, operation, outcome, status, code, provider, cached, duration_ms, "
    "trace_id, request_id, purpose"
)
"""Columns of the journal that the role of `api` may read. None of them contains pseudonyms of people."""
API_RIGHTS = (
    f"SELECT ON {ALEMBIC}",
    "SELECT, INSERT, UPDATE ON habilitations, tokens, editors, editor_tokens, delegations",
    "SELECT, UPDATE ON log",
    "SELECT, INSERT ON signatures",
    "SELECT, INSERT, DELETE ON withdrawn_keys",
    "SELECT, INSERT ON revoked_proofs",
    "SELECT ON served_scopes",
    "SELECT ON notices, editor_notices",
    "SELECT, INSERT ON events",
    "SELECT, DELETE ON events_aside",
    "SELECT, INSERT ON acts",
    f"SELECT ({CALL_COLUMNS}) ON journal",
    "SELECT ON journal_hours, journal_days, journal_rollup",
    "SELECT (id, number) ON journal_head",
)
"""Rights of the role of `api`. Of the table `journal`, this role can read only the columns `CALL_COLUMNS`."""
JOURNAL_RIGHTS = (
    f"SELECT ON {ALEMBIC}",
    "SELECT, INSERT ON journal, journal_found, journal_aside",
    "SELECT, UPDATE (number, hash) ON journal_head",
    "SELECT, INSERT, UPDATE ON journal_hours, journal_days",
    "SELECT, UPDATE ON journal_rollup",
    "SELECT ON journal_pruned_hours",
)
"""Rights of the role of `journal serve`. The role can add records to the journal, but cannot change or remove them."""
# It can change the roll-ups, which are only counts.


CHECKED_VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
"""Kinds of rights on tables that `compare_rights` checks."""
HELD_RIGHTS_QUERY = """
    SELECT v.verb, c.relname AS table, a.attname AS column
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    CROSS JOIN unnest(CAST(:verbs AS text[])) AS v(verb)
    WHERE c.relname = ANY(CAST(:tables AS text[])) AND pg_table_is_visible(c.oid)
    AND CASE WHEN v.verb IN ('DELETE', 'TRUNCATE') THEN has_table_privilege(c.oid, v.verb)
        ELSE has_column_privilege(c.oid, a.attnum, v.verb) END
"""
"""SQL query of the rights that the current user has on columns. A right on a whole table is listed for each of its
columns."""
OWNERSHIP_QUERY = "SELECT pg_get_userbyid(relowner) = current_user FROM pg_class WHERE oid = to_regclass('journal')"


class RightsComparison(Struct, frozen=True):
    """Result of comparing a PostgreSQL role's rights with the rights that its process needs. `missing` lists the rights
    that the role lacks, and `surplus` the rights that it does not need."""

    # Each right is written `VERB table`.

    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    is_owner: bool
    """Whether the role owns the tables, and so has every right."""


def compare_rights(connection: Connection, needed: tuple[str, ...]) -> RightsComparison:
    """Compares the rights of the current user of a PostgreSQL database with the rights `needed`, such as
    `API_RIGHTS`."""
    columns = {name: [column.name for column in table.columns] for name, table in journal.metadata.tables.items()}
    columns[ALEMBIC] = ["version_num"]
    wanted = {each for right in needed for each in _columns_of(right, columns)}
    values = {"verbs": list(CHECKED_VERBS), "tables": list(columns)}
    held = {(row.verb, row.table, row.column) for row in connection.execute(text(HELD_RIGHTS_QUERY), values)}
    is_owner = bool(connection.scalar(text(OWNERSHIP_QUERY)))
    return RightsComparison(_named(wanted - held), _named(held - wanted), is_owner)


def _columns_of(right: str, columns: Mapping[str, list[str]]) -> Iterator[tuple[str, str, str]]:
    """Yields each verb, table and column that a right allows: for `SELECT (a, b) ON t`, yields `("SELECT", "t", "a")`
    and `("SELECT", "t", "b")`. If the right names no columns, yields all the table's `columns`."""
    verbs, _, tables = right.rpartition(" ON ")
    for verb, only in re.findall(r"(\w+)(?: \(([^)]*)\))?", verbs):
        for table in tables.split(", "):
            yield from ((verb, table, column) for column in (only.split(", ") if only else columns[table]))


def _named(rights: set[tuple[str, str, str]]) -> tuple[str, ...]:
    return tuple(sorted({f"{verb} {table}" for verb, table, _ in rights}))


PRUNING_RIGHTS = (
    "DELETE ON journal, journal_found",
    "UPDATE (pruned_number, pruned_hash, pruning) ON journal_head",
    "INSERT ON journal_pruned_hours",
)
"""Further rights of the role of `journal serve` if this process removes expired records. `limit_pruning` restricts them
to expired records."""


POLICIES_QUERY = """
    SELECT p.tablename AS table, p.policyname AS name, CAST(p.roles AS text[]) AS roles FROM pg_policies p
    WHERE p.schemaname = current_schema() AND p.policyname LIKE 'bouquet%'
"""
"""SQL query of the row-security policies that `limit_pruning` created, with the roles to which each applies."""


def limit_pruning(connection: Connection, role: str, keep_months: int) -> None:
    """Creates row-security policies that let a role remove a record of the journal only if the record is older than
    `keep_months` months."""
    # A change of policies waits for readers of the table, such as a dump under way, and holds new readers up. So
    # policies that exist already stay.
    name = f"bouquet_expire_{keep_months}"
    former = connection.execute(text(POLICIES_QUERY)).all()
    if [policy.roles for policy in former if policy.name == name] != [[role], [role]]:
        for policy in former:
            connection.execute(text(f"DROP POLICY {policy.name} ON {policy.table}"))
        for statement in _retention_policies(name, role, keep_months):
            connection.execute(text(statement))


def _retention_policies(name: str, role: str, keep_months: int) -> Iterator[str]:
    """Yields the SQL statements that create row-security policies with the name `name`. The policies let a role remove
    only journal records older than `keep_months` months, and their rows in the table `journal_found`."""
    # Records dated more than a day in the future come from a wrong clock, and are removed with their neighbours.
    now = "extract(epoch FROM now())"
    oldest_kept = f"extract(epoch FROM (now() AT TIME ZONE 'UTC') - interval '{keep_months} months')"
    expired = {
        "journal": f"at < {oldest_kept} OR at > {now} + 86400",
        "journal_found": "NOT EXISTS (SELECT FROM journal WHERE journal.number = journal_found.number)",
    }
    for table, condition in expired.items():
        yield f"CREATE POLICY bouquet_read ON {table} FOR SELECT USING (true)"
        yield f"CREATE POLICY bouquet_add ON {table} FOR INSERT WITH CHECK (true)"
        yield f"CREATE POLICY {name} ON {table} FOR DELETE TO {role} USING ({condition})"
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"


class Roles(Struct, frozen=True):
    """Names of the PostgreSQL roles of `serve`, `journal serve` and `api`. An empty name stands for no role."""

    registry: str = ""
    journal: str = ""
    api: str = ""


NO_ROLES = Roles()


def grant(connection: Connection, roles: Roles, keep_months: int = 0) -> None:
    """Grants each role its rights on the registry's tables, and revokes all its other rights on them. If `keep_months`
    is not 0, the role of `journal serve` may remove the journal's records that are older than this number of months."""
    # If both processes have the same role, it gets the rights of both.
    rights_of = ((roles.registry, REGISTRY_RIGHTS), (roles.journal, JOURNAL_RIGHTS), (roles.api, API_RIGHTS))
    wanted = [(role, rights) for role, rights in rights_of if role]
    for role, _ in wanted:
        connection.execute(text(f"REVOKE ALL ON {', '.join((ALEMBIC, *journal.metadata.tables))} FROM {role}"))
    for role, rights in wanted:
        for right in rights:
            connection.execute(text(f"GRANT {right} TO {role}"))
    if roles.journal and keep_months:
        limit_pruning(connection, roles.journal, keep_months)
        for right in PRUNING_RIGHTS:
            connection.execute(text(f"GRANT {right} TO {roles.journal}"))
