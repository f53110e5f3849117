"""The tables. The migrations make them; a test compares."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

REVISION = "0005"
"""The last of `migrations/versions`, which makes these tables and the journal's."""


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC by databases that know no time zones too."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.replace(tzinfo=UTC)


metadata = MetaData()

habilitations = Table(
    "habilitations",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("siret", String(14), nullable=False),
    Column("name", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("contacts", JSON, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("modalities", JSON, nullable=False),
    Column("calls_per_minute", Integer, nullable=False),
    Column("allowed_ips", JSON, nullable=False),
    Column("delegations", JSON, nullable=False),
    Column("datapass_id", String(64), unique=True),
    Column("state", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("told_at", Moment),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("habilitation", ForeignKey("habilitations.id"), nullable=False, index=True),
    Column("issued_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("blacklisted_at", Moment),
    Column("blacklist_reason", Text, nullable=False),
    Column("last_used_at", Moment),
    Column("version", Integer, nullable=False),
    Column("change", Integer, nullable=False, index=True),
)
"""`change` is the number of the last change of what the token allows, its own or its habilitation's."""

log = Table(
    "log",
    metadata,
    Column("name", String(36), primary_key=True),
    Column("number", Integer, nullable=False),
)
"""One row: the name of the log of changes, and its last number (docs/adr/0008). Whoever changes something holds it to
the end, so that numbers appear in their order."""

notices = Table(
    "notices",
    metadata,
    Column("token", ForeignKey("tokens.id"), primary_key=True),
    Column("expires_at", Moment, primary_key=True),
    Column("days", Integer, primary_key=True),
    Column("due_at", Moment, nullable=False),
    Column("claimed_until", Moment),
    Column("sent_at", Moment),
    Index("notices_unsent", "sent_at"),
)
"""The outbox: one row a token, an end and a threshold, for ever. A prolonged token has another end, and no rows yet."""

events = Table(
    "events",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("event", String(64), nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("answer", JSON, nullable=False),
)
"""What DataPass has told, by the hash of its words, and what it was answered."""

acts = Table(
    "acts",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("author", Text, nullable=False),
    Column("act", String(64), nullable=False),
    Column("target", Text, nullable=False, index=True),
    Column("reason", Text, nullable=False),
)
"""What administrators did: create, change, revoke, reveal a token, read the journal. Rows are only added."""
