"""Creates the table of administrative acts, and the columns in which a record of the journal describes a pruning."""

from __future__ import annotations

import time
from uuid import uuid4

import sqlalchemy as sa
from alembic import op
from msgspec import structs

from bouquet_proto.access_record import Access
from bouquet_registry.journal.chain import Link, chain
from bouquet_registry.journal.schema import Digest

revision = "0003"
down_revision = "0002"

# The tables as they are at this revision: a later one may add columns.
HEAD = sa.table(
    "journal_head",
    *(sa.column(name, sa.BigInteger) for name in ("id", "number", "pruned_number", "pruning")),
    *(sa.column(name, Digest) for name in ("hash", "pruned_hash")),
)
EMPTY_TEXTS = ("code", "operation", "habilitation", "token", "recipient", "provider", "regime", "trace_id", "key")
JOURNAL = sa.table(
    "journal",
    *(sa.column(name) for name in ("number", "id", "at", "outcome", "status", "cached", "duration_ms", "pruned_to")),
    *(sa.column(name) for name in EMPTY_TEXTS),
    *(sa.column(name, Digest) for name in ("person", "previous", "hash")),
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
    """Appends a record of the last pruning by an earlier version, which did not record it."""
    row = connection.execute(sa.select(HEAD).where(HEAD.c.id == 1)).one()
    if not row.pruned_number:
        return
    pruned = Link(row.pruned_number, row.pruned_hash)
    told = Access(id=str(uuid4()), at=time.time(), outcome="pruned", status=0, pruned_to=str(pruned))
    [made] = chain(Link(row.number, row.hash), [told])
    place = {"number": made.link.number, "previous": made.previous, "hash": made.link.hash}
    fields = structs.asdict(told)
    known = {column.name: fields[column.name] for column in JOURNAL.c if column.name not in place}
    connection.execute(sa.insert(JOURNAL).values(known | place))
    values = {"number": made.link.number, "hash": made.link.hash, "pruning": made.link.number}
    connection.execute(sa.update(HEAD).where(HEAD.c.id == 1).values(values))


def downgrade() -> None:
    op.drop_column("journal_head", "pruning")
    op.drop_column("journal", "pruned_to")
    op.drop_table("acts")
