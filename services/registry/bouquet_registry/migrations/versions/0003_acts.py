"""Acts of administration, and prunings of the journal as facts of its chain."""

from __future__ import annotations

import time
from uuid import uuid4

import sqlalchemy as sa
from alembic import op
from msgspec import structs

from bouquet_proto.access_record import Access
from bouquet_registry.journal.chain import Link, chained
from bouquet_registry.journal.schema import HEAD_ID, head, journal

revision = "0003"
down_revision = "0002"


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
    """A journal that was pruned before this version has no record of it: one is written, dated now."""
    row = connection.execute(sa.select(head).where(head.c.id == HEAD_ID)).one()
    if not row.pruned_number:
        return
    pruned = Link(row.pruned_number, row.pruned_hash)
    told = Access(id=str(uuid4()), at=time.time(), outcome="pruned", status=0, pruned_to=str(pruned))
    [made] = chained(Link(row.number, row.hash), [told])
    place = {"number": made.link.number, "previous": made.previous, "hash": made.link.hash}
    connection.execute(sa.insert(journal).values(structs.asdict(told) | place))
    values = {"number": made.link.number, "hash": made.link.hash, "pruning": made.link.number}
    connection.execute(sa.update(head).where(head.c.id == HEAD_ID).values(values))


def downgrade() -> None:
    op.drop_column("journal_head", "pruning")
    op.drop_column("journal", "pruned_to")
    op.drop_table("acts")
