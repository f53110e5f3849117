"""Creates the table of administrative acts (who changed what), and the columns in which a record of the journal
describes a pruning (removal of old records)."""

from __future__ import annotations

import time
from hashlib import sha256
from uuid import uuid4

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Tables and records as they are at this revision: a later one may add to them.
HEAD = sa.table(
    "journal_head",
    *(sa.column(name, sa.BigInteger) for name in ("id", "number", "pruned_number", "pruning")),
    *(sa.column(name, sa.LargeBinary) for name in ("hash", "pruned_hash")),
)
EMPTY_TEXTS = ("code", "operation", "habilitation", "token", "recipient", "provider", "regime", "trace_id", "key")
JOURNAL = sa.table(
    "journal",
    *(sa.column(name) for name in ("number", "id", "at", "outcome", "status", "cached", "duration_ms", "pruned_to")),
    *(sa.column(name) for name in EMPTY_TEXTS),
    *(sa.column(name, sa.LargeBinary) for name in ("person", "previous", "hash")),
)


def upgrade() -> None:
    op.create_table(
        "acts",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False, index=True),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("act", sa.String(64), nullable=False),
        sa.Column("target", sa.Text, nullable=False, index=True),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.add_column("journal", sa.Column("pruned_to", sa.String(255), nullable=False, server_default=""))
    op.add_column("journal_head", sa.Column("pruning", sa.BigInteger, nullable=False, server_default="0"))
    _tell_of_former_pruning(op.get_bind())


def _tell_of_former_pruning(connection: sa.Connection) -> None:
    """Appends to the journal a record of the last pruning, because earlier versions did not write such a record."""
    row = connection.execute(sa.select(HEAD).where(HEAD.c.id == 1)).one()
    if not row.pruned_number:
        return
    number = row.number + 1
    record = {
        "id": str(uuid4()),
        "at": time.time(),
        "outcome": "pruned",
        "pruned_to": f"{row.pruned_number}:{row.pruned_hash.hex()}",
    }
    covered = f"{number}:{row.hash.hex()}:".encode() + msgspec.json.encode(record, order="sorted")
    values = {"number": number, "hash": sha256(covered).digest()}
    empty = {"status": 0, "cached": False, "duration_ms": 0.0, "person": b"", **dict.fromkeys(EMPTY_TEXTS, "")}
    connection.execute(sa.insert(JOURNAL).values({**empty, **record, **values, "previous": row.hash}))
    connection.execute(sa.update(HEAD).where(HEAD.c.id == 1).values({**values, "pruning": number}))


def downgrade() -> None:
    op.drop_column("journal_head", "pruning")
    op.drop_column("journal", "pruned_to")
    op.drop_table("acts")
