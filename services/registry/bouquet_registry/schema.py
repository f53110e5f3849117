"""Tables of the registry's database, except the journal's tables."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)

REVISION = "0014"
"""Newest Alembic revision of the registry's tables, including the journal's. The scripts in `migrations/versions`
create these tables."""


class UtcDateTime(TypeDecorator[datetime]):
    """Column type for a datetime with a time zone, stored in UTC."""

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
    Column("calls_per_second", Integer, nullable=False, server_default=text("0")),
    Column("group_limits", JSON, nullable=False, server_default=text("'[]'")),
    Column("allowed_ips", JSON, nullable=False),
    Column("ine", Boolean, nullable=False, server_default=text("false")),
    Column("delegations", JSON, nullable=False, default=list),
    Column("datapass_id", String(64), unique=True),
    Column("public_id", Text, nullable=False, server_default=text("''")),
    Column("form_uid", Text, nullable=False, server_default=text("''")),
    Column("description", Text, nullable=False, server_default=text("''")),
    Column("service_provider", JSON(none_as_null=True)),
    Column("data_protection_officer", JSON(none_as_null=True)),
    Column("state", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("told_at", UtcDateTime),
)
"""Table of habilitations. The column `delegations` is always empty, and remains only for processes of the former
version."""

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("habilitation", ForeignKey("habilitations.id"), nullable=False, index=True),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("blacklisted_at", UtcDateTime),
    Column("blacklist_reason", Text, nullable=False),
    Column("last_used_at", UtcDateTime),
    Column("mcp", Boolean, nullable=False, server_default=text("false")),
    Column("version", Integer, nullable=False),
    Column("change", Integer, nullable=False, index=True),
)
"""Table of the issued tokens of habilitations. The column `change` is the number of the last change of the token's
rights. The table `log` numbers the changes."""

editors = Table(
    "editors",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("siret", String(14), nullable=False),
    Column("name", Text, nullable=False),
    Column("form_uids", JSON, nullable=False),
    Column("allowed_ips", JSON, nullable=False),
    Column("members", JSON, nullable=False),
    Column("delegable", Boolean, nullable=False),
    Column("copies_tokens", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("change", Integer, nullable=False, index=True),
)
"""Table of software editors. The column `change` is the number of the last change of the rights delegated to the
editor. The table `log` numbers the changes."""

editor_tokens = Table(
    "editor_tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("editor", ForeignKey("editors.id"), nullable=False, index=True),
    Column("label", Text, nullable=False),
    Column("allowed_ips", JSON, nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("blacklisted_at", UtcDateTime),
    Column("blacklist_reason", Text, nullable=False),
    Column("last_used_at", UtcDateTime),
    Column("version", Integer, nullable=False),
    Column("change", Integer, nullable=False, index=True),
)
"""Table of the tokens of software editors. The column `change` is the number of the last change of the token's rights.
The table `log` numbers the changes."""

delegations = Table(
    "delegations",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("editor", ForeignKey("editors.id"), nullable=False),
    Column("habilitation", ForeignKey("habilitations.id"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_why", Text, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("revoked_by", Text, nullable=False),
    Column("revoked_why", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Index("delegations_of_editor", "editor", "created_at"),
    Index(
        "delegations_in_force",
        "editor",
        "habilitation",
        unique=True,
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
)
"""Table of delegations, whose rows are never deleted. An editor has at most one delegation in force for each
habilitation."""

signatures = Table(
    "signatures",
    metadata,
    Column("kid", String(255), primary_key=True),
    Column("token", String(36), primary_key=True, index=True),
)
"""Table of the keys that have signed tokens. `token` is the id of a token of a habilitation or of an editor. `kid` is
the name of a key, or `keys.signatures.UNRECORDED` if the key is unknown."""

withdrawn_keys = Table(
    "withdrawn_keys",
    metadata,
    Column("kid", String(255), primary_key=True),
    Column("withdrawn_at", UtcDateTime, nullable=False),
    Column("withdrawn_by", Text, nullable=False),
    Column("withdrawn_why", Text, nullable=False),
)
"""Table of the withdrawn keys, whose signatures on tokens gateways no longer accept. If the withdrawal of a key is
undone, its row is deleted."""

revoked_proofs = Table(
    "revoked_proofs",
    metadata,
    Column("record", String(32), primary_key=True),
    Column("revoked_at", UtcDateTime, nullable=False),
    Column("revoked_by", Text, nullable=False),
    Column("revoked_why", Text, nullable=False),
)
"""Table of the revoked proofs (encrypted texts that show later what an answer said). `record` is the id of the answer's
record in the access journal. Rows are only added."""

served_scopes = Table(
    "served_scopes",
    metadata,
    Column("scope", String(100), primary_key=True),
    Column("reported_at", UtcDateTime, nullable=False),
)
"""Table of the scopes of the operations that gateways serve, with the time of each scope's last report. A row is
deleted once its scope has not been reported for `served_scopes.FORGOTTEN_AFTER`."""

log = Table(
    "log",
    metadata,
    Column("name", String(36), primary_key=True),
    Column("number", Integer, nullable=False),
)
"""Table of one row that numbers the registry's changes: `number` is the number of the last one. Gateways ask for the
changes after a number (docs/adr/0008). A change locks the row until it is written."""
# So gateways see the changes in the order of their numbers.


def _notices(name: str, tokens: str) -> Table:
    """Returns a table of notices (warnings before a token expires), which has the name `name`. `tokens` is the name of
    the table of the tokens that the notices are about."""
    # A prolonged token has a new expiry, so its notices are sent again. Rows of sent notices are never deleted.
    return Table(
        name,
        metadata,
        Column("token", ForeignKey(f"{tokens}.id"), primary_key=True),
        Column("expires_at", UtcDateTime, primary_key=True),
        Column("days", Integer, primary_key=True),
        Column("due_at", UtcDateTime, nullable=False),
        Column("claimed_until", UtcDateTime),
        Column("sent_at", UtcDateTime),
        Index(f"{name}_unsent", "sent_at"),
    )


notices = _notices("notices", "tokens")
"""Table of the notices that warn that a token will expire. For each expiry time of a token, the table has at most one
row per threshold (number of days before expiry)."""
# A prolonged token has a new expiry time, and so gets new rows.

editor_notices = _notices("editor_notices", "editor_tokens")
"""Table of the notices that warn that an editor's token will expire, with the same columns as `notices`."""

events = Table(
    "events",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("event", String(64), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("answer", JSON, nullable=False),
)
"""Table of the events (messages of DataPass) that were applied or came too late, with the answers given. `digest` is
the SHA-256 of the body. An event that comes again gets the stored answer."""

events_aside = Table(
    "events_aside",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("dialect", String(8), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
"""Table of events from DataPass that could not be applied. A row is deleted when its event is applied or discarded."""

acts = Table(
    "acts",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("author", Text, nullable=False),
    Column("act", String(64), nullable=False),
    Column("target", Text, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("version", Integer),
    Column("changed", JSON, nullable=False, server_default=text("'[]'")),
)
"""Table of administrative acts, such as changing a habilitation or reading the journal. Rows are added, but never
changed or deleted."""
