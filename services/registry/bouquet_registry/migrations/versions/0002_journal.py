"""Creates the access journal, its head (the row that notes its last record), and the table of unreadable records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TEXT = sa.String(255)
START = b"\0" * 32


def upgrade() -> None:
    op.create_table(
        "journal",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", TEXT, nullable=False, unique=True),
        sa.Column("at", sa.Double, nullable=False, index=True),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sa.Column("operation", TEXT, nullable=False),
        sa.Column("habilitation", TEXT, nullable=False),
        sa.Column("token", TEXT, nullable=False),
        sa.Column("recipient", TEXT, nullable=False),
        sa.Column("provider", TEXT, nullable=False),
        sa.Column("regime", TEXT, nullable=False),
        sa.Column("cached", sa.Boolean, nullable=False),
        sa.Column("duration_ms", sa.Double, nullable=False),
        sa.Column("trace_id", TEXT, nullable=False),
        sa.Column("person", sa.LargeBinary, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_index("journal_of_person", "journal", ["person", "at"])
    op.create_index("journal_of_habilitation", "journal", ["habilitation", "at"])
    head = op.create_table(
        "journal_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("pruned_number", sa.BigInteger, nullable=False),
        sa.Column("pruned_hash", sa.LargeBinary, nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "number": 0, "hash": START, "pruned_number": 0, "pruned_hash": START}])
    op.create_table(
        "journal_aside",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    for table in ("journal_aside", "journal_head", "journal"):
        op.drop_table(table)
