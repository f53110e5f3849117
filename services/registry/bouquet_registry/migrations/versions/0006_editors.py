"""Creates tables for software editors, their tokens and delegations, and new fields of habilitations. Moves the
delegations listed in habilitations to the new table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

AUTHOR = "bouquet-registry migrate"
REASON = "listed in the habilitation by a former version"

# The tables as they are at this revision: a later one may add columns.
HABILITATIONS = sa.table(
    "habilitations",
    sa.column("id", sa.String),
    sa.column("delegations", sa.JSON),
    sa.column("ine", sa.Boolean),
)


def upgrade() -> None:
    # Defaults, for processes of the former version that write rows until they are replaced.
    for column in (
        sa.Column("calls_per_second", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("group_limits", sa.JSON, nullable=False, server_default=sa.text("'[]'")),
        sa.Column("ine", sa.Boolean, nullable=False, server_default=sa.text("false")),
    ):
        op.add_column("habilitations", column)
    op.execute(sa.update(HABILITATIONS).values(ine=True))
    _move_listed(_create_editors(), _create_delegations())


def _create_editors() -> sa.Table:
    editors = op.create_table(
        "editors",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("siret", sa.String(14), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("form_uids", sa.JSON, nullable=False),
        sa.Column("allowed_ips", sa.JSON, nullable=False),
        sa.Column("members", sa.JSON, nullable=False),
        sa.Column("delegable", sa.Boolean, nullable=False),
        sa.Column("copies_tokens", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
        sa.Column("change", sa.Integer, nullable=False, index=True),
    )
    op.create_table(
        "editor_tokens",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("editor", sa.String(36), sa.ForeignKey("editors.id"), nullable=False, index=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("allowed_ips", sa.JSON, nullable=False),
        sa.Column("issued_at", sa.DateTime, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False, index=True),
        sa.Column("blacklisted_at", sa.DateTime),
        sa.Column("blacklist_reason", sa.Text, nullable=False),
        sa.Column("last_used_at", sa.DateTime),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("change", sa.Integer, nullable=False, index=True),
    )
    return editors


def _create_delegations() -> sa.Table:
    delegations = op.create_table(
        "delegations",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("editor", sa.String(36), sa.ForeignKey("editors.id"), nullable=False),
        sa.Column("habilitation", sa.String(36), sa.ForeignKey("habilitations.id"), nullable=False, index=True),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_why", sa.Text, nullable=False),
        sa.Column("revoked_at", sa.DateTime),
        sa.Column("revoked_by", sa.Text, nullable=False),
        sa.Column("revoked_why", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("delegations_of_editor", "delegations", ["editor", "created_at"])
    in_force = sa.text("revoked_at IS NULL")
    op.create_index(
        "delegations_in_force",
        "delegations",
        ["editor", "habilitation"],
        unique=True,
        sqlite_where=in_force,
        postgresql_where=in_force,
    )
    return delegations


def _move_listed(editors: sa.Table, delegations: sa.Table) -> None:
    """Moves the delegations listed in habilitations to the table `delegations`, and creates their editors."""
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    listed = tuple(_listed(op.get_bind()))
    made = {siret: _editor(siret, name, now) for _, siret, name in listed}
    op.bulk_insert(editors, list(made.values()))
    rows = {
        (siret, habilitation): _delegation(made[siret]["id"], habilitation, now) for habilitation, siret, _ in listed
    }
    op.bulk_insert(delegations, list(rows.values()))
    op.execute(sa.update(HABILITATIONS).values(delegations=[]))


def _listed(connection: sa.Connection) -> Iterator[tuple[str, str, str]]:
    """Yields, for each delegation listed in a habilitation, the habilitation's id, and the editor's SIRET and name."""
    for row in connection.execute(sa.select(HABILITATIONS.c.id, HABILITATIONS.c.delegations)):
        for one in row.delegations:
            yield row.id, one["siret"], one.get("name") or one["siret"]


def _editor(siret: str, name: str, now: datetime) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "siret": siret,
        "name": name,
        "form_uids": [],
        "allowed_ips": [],
        "members": [],
        "delegable": True,
        "copies_tokens": False,
        "state": "active",
        "version": 1,
        "created_at": now,
        "updated_at": now,
        "change": 0,
    }


def _delegation(editor: str, habilitation: str, now: datetime) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "editor": editor,
        "habilitation": habilitation,
        "created_at": now,
        "created_by": AUTHOR,
        "created_why": REASON,
        "revoked_by": "",
        "revoked_why": "",
        "version": 1,
    }


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")
