"""Creates the table of revoked proofs (a proof is an encrypted text that shows later what an answer said)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "revoked_proofs",
        sa.Column("record", sa.String(32), primary_key=True),
        sa.Column("revoked_at", sa.DateTime, nullable=False),
        sa.Column("revoked_by", sa.Text, nullable=False),
        sa.Column("revoked_why", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("revoked_proofs")
