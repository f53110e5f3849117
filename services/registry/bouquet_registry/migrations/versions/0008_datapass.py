"""Adds columns for the data, other than rights, that DataPass sends about a habilitation. Creates the table of events
(messages of DataPass) that could not be applied."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

# Defaults, for processes of the former version that write rows until they are replaced.
COLUMNS: tuple[sa.Column[Any], ...] = (
    *(sa.Column(name, sa.Text, nullable=False, server_default="") for name in ("public_id", "form_uid", "description")),
    *(sa.Column(name, sa.JSON(none_as_null=True)) for name in ("service_provider", "data_protection_officer")),
)


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column("habilitations", column)
    op.create_table(
        "events_aside",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("dialect", sa.String(8), nullable=False),
        sa.Column("received_at", sa.DateTime, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("events_aside")
    for column in reversed(COLUMNS):
        op.drop_column("habilitations", column.name)
