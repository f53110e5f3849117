"""Tables of the journal, designed for a billion rows."""
# Hashes are stored as bytes, and each index serves a frequent query.

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    TypeDecorator,
)

from bouquet_registry.schema import metadata

DIGEST_BYTES = 32


class Digest(TypeDecorator[str]):
    """Column type for a hexadecimal text, which the database stores as bytes."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else value.hex()


class Digests(TypeDecorator[tuple[str, ...]]):
    """Column type for a sequence of hexadecimal texts, each of `DIGEST_BYTES` bytes."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> bytes | None:
        return None if value is None else bytes.fromhex("".join(value))

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> tuple[str, ...] | None:
        if value is None:
            return None
        return tuple(value[at : at + DIGEST_BYTES].hex() for at in range(0, len(value), DIGEST_BYTES))


journal = Table(
    "journal",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(255), nullable=False, unique=True),
    Column("at", Double, nullable=False, index=True),
    Column("outcome", String(255), nullable=False),
    Column("status", Integer, nullable=False),
    Column("code", String(255), nullable=False),
    Column("operation", String(255), nullable=False),
    Column("habilitation", String(255), nullable=False),
    Column("token", String(255), nullable=False),
    Column("recipient", String(255), nullable=False),
    Column("provider", String(255), nullable=False),
    Column("regime", String(255), nullable=False),
    Column("cached", Boolean, nullable=False),
    Column("duration_ms", Double, nullable=False),
    Column("trace_id", String(255), nullable=False),
    Column("person", Digest, nullable=False),
    Column("key", String(255), nullable=False),
    Column("pruned_to", String(255), nullable=False, server_default=""),
    Column("request_id", String(255), nullable=False, server_default="", index=True),
    Column("purpose", String(255), nullable=False, server_default=""),
    Column("found", Digests, nullable=False, server_default=""),
    Column("previous", Digest, nullable=False),
    Column("hash", Digest, nullable=False),
    Index("journal_of_person", "person", "at"),
    Index("journal_of_habilitation", "habilitation", "at"),
)
"""Table of the journal's records, each with its number and hash in the chain. A record describes a call, or a pruning
(removal of old records)."""

found_people = Table(
    "journal_found",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("prefix", BigInteger, primary_key=True, autoincrement=False),
    Index("journal_found_prefix", "prefix", "number"),
    sqlite_with_rowid=False,
)
"""Table for finding the records whose answers name a person. `prefix` is a number that `prefix_of` makes from the
person's pseudonym, and `number` the number of the record."""
# The bits are stored as a number to save space; the record itself holds the whole pseudonym.


def prefix_of(pseudonym: str) -> int:
    """Returns the first 60 bits of a pseudonym, a hexadecimal text, as a number. Hardly any two people share a
    number."""
    # The table `journal_found` contains the number in place of the pseudonym, to save space.
    # Of 10^18 pairs of people, about one pair has the same number.
    return int(pseudonym[:15], 16)


head = Table(
    "journal_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", Digest, nullable=False),
    Column("pruned_number", BigInteger, nullable=False),
    Column("pruned_hash", Digest, nullable=False),
    Column("pruning", BigInteger, nullable=False, server_default="0"),
)
"""Table of one row: the newest record, the last pruned (removed) record, and the record that describes the last
pruning. A writer locks the row, so that writers take turns."""
HEAD_ID = 1
ONLY_HEAD = head.c.id == HEAD_ID

aside = Table(
    "journal_aside",
    metadata,
    Column("digest", Digest, primary_key=True),
    Column("at", Double, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
"""Table of messages that the writer could not read as records. `journal readmit` tries again to read them."""

hours = Table(
    "journal_hours",
    metadata,
    Column("habilitation", String(255), primary_key=True),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("token", String(255), primary_key=True),
    Column("operation", String(255), primary_key=True),
    Column("outcome", String(255), primary_key=True),
    Column("code", String(255), primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("duration_ms", Double, nullable=False),
    Index("journal_hours_by_hour", "hour"),
)
"""Table of the number of calls in each hour, and of the sum of their durations, by habilitation, token, operation and
outcome. The column `hour` is the number of hours since 1970 (UTC)."""

days = Table(
    "journal_days",
    metadata,
    Column("habilitation", String(255), primary_key=True),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("operation", String(255), primary_key=True),
    Column("persons", BigInteger, nullable=False),
    Column("justificatifs_evites", BigInteger, nullable=False),
    Index("journal_days_by_day", "day"),
)
"""Table of daily counts by habilitation and operation: people about whom calls found something, and supporting
documents (`justificatifs`) that these calls replaced. The column `day` is the number of days since 1970 (UTC)."""

rollup = Table(
    "journal_rollup",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("recounted_to", BigInteger, nullable=False),
)
"""Table of one row about the progress of the roll-ups (tables of counts). `number` is the number of the last counted
record. The latest rebuild counts the records up to `recounted_to` again."""
ONLY_ROLLUP = rollup.c.id == HEAD_ID

pruned_hours = Table(
    "journal_pruned_hours", metadata, Column("hour", BigInteger, primary_key=True, autoincrement=False)
)
"""Table of the hours whose records were pruned (removed), as numbers of hours since 1970 (UTC). The roll-ups of these
hours cannot be rebuilt."""
