"""SQL statements that turn the tables of the registry's newest revision back into those of a former revision. The
tables that remain keep their rows."""

from __future__ import annotations

BACK_TO_REVISION_0013 = (
    "ALTER TABLE journal DROP COLUMN purpose",
    "UPDATE alembic_version SET version_num = '0013'",
)
BACK_TO_REVISION_0012 = (
    *BACK_TO_REVISION_0013,
    "DROP TABLE revoked_proofs",
    "UPDATE alembic_version SET version_num = '0012'",
)
BACK_TO_REVISION_0011 = (
    *BACK_TO_REVISION_0012,
    "DROP TABLE editor_notices",
    "UPDATE alembic_version SET version_num = '0011'",
)
BACK_TO_REVISION_0010 = (
    *BACK_TO_REVISION_0011,
    "DROP TABLE served_scopes",
    "UPDATE alembic_version SET version_num = '0010'",
)
BACK_TO_REVISION_0009 = (
    *BACK_TO_REVISION_0010,
    *(f"DROP TABLE {name}" for name in ("signatures", "withdrawn_keys")),
    "UPDATE alembic_version SET version_num = '0009'",
)
BACK_TO_REVISION_0008 = (
    *BACK_TO_REVISION_0009,
    *(f"DROP TABLE journal_{name}" for name in ("hours", "days", "rollup", "pruned_hours")),
    "UPDATE alembic_version SET version_num = '0008'",
)
BACK_TO_REVISION_0007 = (
    *BACK_TO_REVISION_0008,
    "DROP TABLE events_aside",
    *(
        f"ALTER TABLE habilitations DROP COLUMN {name}"
        for name in ("public_id", "form_uid", "description", "service_provider", "data_protection_officer")
    ),
    "UPDATE alembic_version SET version_num = '0007'",
)
BACK_TO_REVISION_0006 = (
    *BACK_TO_REVISION_0007,
    "ALTER TABLE tokens DROP COLUMN mcp",
    *(f"ALTER TABLE acts DROP COLUMN {name}" for name in ("version", "changed")),
    "UPDATE alembic_version SET version_num = '0006'",
)
BACK_TO_REVISION_0005 = (
    *BACK_TO_REVISION_0006,
    *(f"DROP TABLE {table}" for table in ("delegations", "editor_tokens", "editors")),
    *(f"ALTER TABLE habilitations DROP COLUMN {name}" for name in ("calls_per_second", "group_limits", "ine")),
    "UPDATE alembic_version SET version_num = '0005'",
)
