"""Creates the table of notices, which warn that an editor's token will soon expire."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "editor_notices",
        sa.Column("token", sa.String(36), sa.ForeignKey("editor_tokens.id"), primary_key=True),
        sa.Column("expires_at", sa.DateTime, primary_key=True),
        sa.Column("days", sa.Integer, primary_key=True),
        sa.Column("due_at", sa.DateTime, nullable=False),
        sa.Column("claimed_until", sa.DateTime),
        sa.Column("sent_at", sa.DateTime),
    )
    op.create_index("editor_notices_unsent", "editor_notices", ["sent_at"])


def downgrade() -> None:
    op.drop_table("editor_notices")
