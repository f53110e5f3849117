"""Adds a column to the journal: the purpose that callers give for a call by the Model Context Protocol."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    # With a default, for processes of the former version that write rows until they are replaced.
    op.add_column("journal", sa.Column("purpose", sa.String(255), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("journal", "purpose")
