"""Adds a column to tokens, the flag `mcp`, and two to acts: the names of the changed fields, and the record's version
after the act."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

# Defaults, for processes of the former version that write rows until they are replaced.
COLUMNS = (
    ("tokens", sa.Column("mcp", sa.Boolean, nullable=False, server_default=sa.text("false"))),
    ("acts", sa.Column("version", sa.Integer)),
    ("acts", sa.Column("changed", sa.JSON, nullable=False, server_default=sa.text("'[]'"))),
)


def upgrade() -> None:
    for table, column in COLUMNS:
        op.add_column(table, column)


def downgrade() -> None:
    for table, column in reversed(COLUMNS):
        op.drop_column(table, column.name)
