"""Creates the tables of the keys that have signed tokens, and of withdrawn keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

UNRECORDED = "?"
"""Name recorded in place of the signing key, for tokens issued before this migration."""


def upgrade() -> None:
    signatures = op.create_table(
        "signatures",
        sa.Column("kid", sa.String(255), primary_key=True),
        sa.Column("token", sa.String(36), primary_key=True),
    )
    op.create_index("ix_signatures_token", "signatures", ["token"])
    op.create_table(
        "withdrawn_keys",
        sa.Column("kid", sa.String(255), primary_key=True),
        sa.Column("withdrawn_at", sa.DateTime, nullable=False),
        sa.Column("withdrawn_by", sa.Text, nullable=False),
        sa.Column("withdrawn_why", sa.Text, nullable=False),
    )
    for name in ("tokens", "editor_tokens"):
        known = sa.select(sa.literal(UNRECORDED), sa.table(name, sa.column("id")).c.id)
        op.execute(sa.insert(signatures).from_select(["kid", "token"], known))


def downgrade() -> None:
    op.drop_table("withdrawn_keys")
    op.drop_table("signatures")
