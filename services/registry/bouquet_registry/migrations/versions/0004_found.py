"""Adds to each record of the journal the people named by the answer, and the request id."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("journal", sa.Column("request_id", sa.String(255), nullable=False, server_default=""))
    op.create_index("ix_journal_request_id", "journal", ["request_id"])
    op.create_table(
        "journal_found",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("person", sa.LargeBinary, nullable=False),
    )
    op.create_index("journal_found_person", "journal_found", ["person", "number"])


def downgrade() -> None:
    op.drop_table("journal_found")
    op.drop_index("ix_journal_request_id", "journal")
    op.drop_column("journal", "request_id")
