"""Creates the roll-ups of the journal (tables of counts), which begin at its oldest record."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

TEXT = sa.String(255)


def upgrade() -> None:
    op.create_table(
        "journal_hours",
        sa.Column("habilitation", TEXT, primary_key=True),
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, TEXT, primary_key=True) for name in ("token", "operation", "outcome", "code")),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.Double, nullable=False),
    )
    op.create_index("journal_hours_by_hour", "journal_hours", ["hour"])
    op.create_table(
        "journal_days",
        sa.Column("habilitation", TEXT, primary_key=True),
        sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("operation", TEXT, primary_key=True),
        sa.Column("persons", sa.BigInteger, nullable=False),
        sa.Column("justificatifs_evites", sa.BigInteger, nullable=False),
    )
    op.create_index("journal_days_by_day", "journal_days", ["day"])
    op.create_table("journal_pruned_hours", sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False))
    rollup = op.create_table(
        "journal_rollup",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("recounted_to", sa.BigInteger, nullable=False),
    )
    head = sa.table("journal_head", sa.column("id"), sa.column("pruned_number"))
    first = sa.select(head.c.id, head.c.pruned_number, sa.literal(0))
    op.execute(sa.insert(rollup).from_select(["id", "number", "recounted_to"], first))


def downgrade() -> None:
    for table in ("journal_rollup", "journal_pruned_hours", "journal_days", "journal_hours"):
        op.drop_table(table)
