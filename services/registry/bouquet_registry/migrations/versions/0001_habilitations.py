"""Creates habilitations, tokens, the log of changes, notices and events of DataPass."""

from __future__ import annotations

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "habilitations",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("siret", sa.String(14), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("contacts", sa.JSON, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("modalities", sa.JSON, nullable=False),
        sa.Column("calls_per_minute", sa.Integer, nullable=False),
        sa.Column("allowed_ips", sa.JSON, nullable=False),
        sa.Column("delegations", sa.JSON, nullable=False),
        sa.Column("datapass_id", sa.String(64), unique=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("updated_at", sa.DateTime, nullable=False),
        sa.Column("told_at", sa.DateTime),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("habilitation", sa.String(36), sa.ForeignKey("habilitations.id"), nullable=False, index=True),
        sa.Column("issued_at", sa.DateTime, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False, index=True),
        sa.Column("blacklisted_at", sa.DateTime),
        sa.Column("blacklist_reason", sa.Text, nullable=False),
        sa.Column("last_used_at", sa.DateTime),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("change", sa.Integer, nullable=False, index=True),
    )
    log = op.create_table(
        "log",
        sa.Column("name", sa.String(36), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
    )
    op.bulk_insert(log, [{"name": str(uuid4()), "number": 0}])
    op.create_table(
        "notices",
        sa.Column("token", sa.String(36), sa.ForeignKey("tokens.id"), primary_key=True),
        sa.Column("expires_at", sa.DateTime, primary_key=True),
        sa.Column("days", sa.Integer, primary_key=True),
        sa.Column("due_at", sa.DateTime, nullable=False),
        sa.Column("claimed_until", sa.DateTime),
        sa.Column("sent_at", sa.DateTime),
    )
    op.create_index("notices_unsent", "notices", ["sent_at"])
    op.create_table(
        "events",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("received_at", sa.DateTime, nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    for table in ("events", "notices", "log", "tokens", "habilitations"):
        op.drop_table(table)
