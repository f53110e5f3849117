"""Administration of proofs, encrypted texts by which anyone can verify later what an answer said. A proof can be
revoked, and the revoked ones can be listed."""

from __future__ import annotations

import re
from datetime import datetime

from msgspec import Struct
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry import schema, transactions
from bouquet_registry.acts import Author
from bouquet_registry.administration import Administration
from bouquet_registry.queries import record_of
from bouquet_registry.refusals import InvalidFields
from bouquet_registry.text import one_line

RECORD_ID = re.compile(r"[0-9a-f]{32}")
"""Pattern of the ids of records in the access journal."""
REVOKED_PROOFS_QUERY = select(schema.revoked_proofs)
"""SQL query of all revoked proofs."""


class RevokedProof(Struct, frozen=True, kw_only=True):
    """Proof that was revoked, and so is no longer valid. A proof is an encrypted text by which anyone can verify later
    what an answer said."""

    record: str
    """Id of the answer's record in the access journal. Whoever verifies the proof sees this id."""
    revoked_at: datetime
    revoked_by: str
    revoked_why: str


async def revoke_proof(administration: Administration, author: Author, record: str) -> RevokedProof:
    """Revokes a proof for ever. A proof is an encrypted text by which anyone can verify later what an answer said.
    `record` is the id of the answer's record in the journal. Raises `InvalidFields` for a malformed id or a missing
    reason, and `Conflict` if the proof is revoked already."""
    # Whether the journal has the record is not asked: a proof is valid for longer than records are kept.
    problems = [] if RECORD_ID.fullmatch(record) else ["record: is no id of a record of the journal"]
    problems += [] if one_line(author.reason) else ["reason: is required"]
    if problems:
        raise InvalidFields(problems)
    async with transactions.begin(administration.store, author, administration.clock) as transaction:
        revoked = RevokedProof(
            record=record,
            revoked_at=transaction.now,
            revoked_by=one_line(author.name),
            revoked_why=one_line(author.reason),
        )
        row = insert(schema.revoked_proofs).values(transactions.columns_of(revoked))
        await transaction.execute(row, "this proof is revoked already")
        await transaction.record("proof revoke", record)
        return revoked


async def revoked_proofs(connection: AsyncConnection) -> list[RevokedProof]:
    """Returns the revoked proofs, the latest revocation first. A proof is an encrypted text by which anyone can verify
    later what an answer said."""
    own = schema.revoked_proofs.c
    rows = (await connection.execute(REVOKED_PROOFS_QUERY.order_by(own.revoked_at.desc(), own.record))).mappings()
    return [record_of(row, RevokedProof) for row in rows]


async def revoked_at(connection: AsyncConnection, record: str) -> datetime | None:
    """Returns the time at which a proof was revoked, or None if it was not. `record` is the id of the answer's record
    in the journal. A proof is an encrypted text by which anyone can verify later what an answer said."""
    own = schema.revoked_proofs.c
    return await connection.scalar(select(own.revoked_at).where(own.record == record))
