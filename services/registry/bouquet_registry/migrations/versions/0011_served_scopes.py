"""Creates the table of the scopes that gateways report as served."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "served_scopes",
        sa.Column("scope", sa.String(100), primary_key=True),
        sa.Column("reported_at", sa.DateTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("served_scopes")
