"""Changes of habilitations and tokens, each recorded as an act of its author."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import structs
from sqlalchemy import Insert, Table, Update, insert, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry import acts, schema
from bouquet_registry.acts import Author
from bouquet_registry.clock import Clock, utc_now
from bouquet_registry.habilitations import Habilitation, Token, expiry_after, validation_errors
from bouquet_registry.refusals import Conflict, Invalid, Refused
from bouquet_registry.store import Store
from bouquet_registry.text import one_line


@asynccontextmanager
async def begin(store: Store, author: Author, clock: Clock = utc_now) -> AsyncIterator[Transaction]:
    """Yields a transaction in which `author` changes habilitations and tokens. Either all changes are written, each
    with its act, or none.

    Each transaction locks the log of changes. So transactions run one at a time, and the numbers of changes appear in
    order.
    """
    async with store.writing() as connection:
        number = await connection.scalar(lock_log(1).returning(schema.log.c.number))
        yield Transaction(connection, author, clock(), number or 0)


def lock_log(numbers: int = 0) -> Update:
    """Returns the SQL statement that locks the log of changes until the transaction ends, and raises the log's last
    number by `numbers`."""
    return update(schema.log).values(number=schema.log.c.number + numbers)


class Transaction:
    """Changes of habilitations and tokens in one transaction. A method that changes a record takes the record as it was
    read, and raises `Conflict` if somebody has changed it since."""

    def __init__(self, connection: AsyncConnection, author: Author, now: datetime, number: int) -> None:
        self.connection = connection
        self._author = author
        self.now = now
        self._number = number

    async def create(self, **fields: Any) -> Habilitation:
        """Creates a habilitation. Raises `Invalid` for wrong fields, and `Conflict` if another habilitation has the
        same `datapass_id`."""
        made = _checked(Habilitation(id=str(uuid4()), created_at=self.now, updated_at=self.now, **fields))
        await self._execute(insert(schema.habilitations).values(_columns(made)))
        await self.record("habilitation create", made.id)
        return made

    async def change(self, habilitation: Habilitation, **fields: Any) -> Habilitation:
        """Changes fields of a habilitation, and so what its tokens allow. Raises `Invalid` for wrong fields, and
        `Conflict` if somebody has changed the habilitation since it was read."""
        version = habilitation.version
        changed = _checked(structs.replace(habilitation, updated_at=self.now, version=version + 1, **fields))
        await self._replace(schema.habilitations, habilitation.id, version, _columns(changed))
        await self.connection.execute(
            update(schema.tokens).where(schema.tokens.c.habilitation == habilitation.id).values(change=self._number)
        )
        what = "change" if changed.state == habilitation.state else changed.state
        await self.record(f"habilitation {what}", habilitation.id)
        return changed

    async def issue(self, habilitation: Habilitation) -> Token:
        """Issues a token for 18 months. Raises `Refused` unless the habilitation is active."""
        if habilitation.state != "active":
            raise Refused(f"habilitation {habilitation.id} is {habilitation.state}: it has no tokens to issue")
        made = Token(
            id=str(uuid4()),
            habilitation=habilitation.id,
            siret=habilitation.siret,
            name=habilitation.name,
            issued_at=self.now,
            expires_at=expiry_after(self.now),
        )
        own = {name: value for name, value in structs.asdict(made).items() if name in schema.tokens.c}
        await self.connection.execute(insert(schema.tokens).values(own | {"change": self._number}))
        await self.record("token issue", made.id)
        return made

    async def prolong(self, token: Token) -> Token:
        """Moves the expiry of a token to 18 months from now; notices are sent again before the new expiry. A
        blacklisted token stays blacklisted."""
        return await self._change_token("token prolong", token, expires_at=expiry_after(self.now))

    async def revoke(self, token: Token, reason: str, at: datetime | None = None) -> Token:
        """Blacklists a token, now or from `at` on."""
        fields = {"blacklisted_at": at or self.now, "blacklist_reason": one_line(reason)}
        return await self._change_token("token revoke", token, **fields)

    async def record(self, act: str, target: str) -> None:
        """Records an act of the author in this transaction."""
        await acts.record(self.connection, self._author, act, target, self.now)

    async def _change_token(self, act: str, token: Token, **fields: Any) -> Token:
        version = token.version + 1
        values = fields | {"version": version, "change": self._number}
        await self._replace(schema.tokens, token.id, token.version, values)
        await self.record(act, token.id)
        return structs.replace(token, version=version, **fields)

    async def _replace(self, table: Table, id_: str, version: int, values: dict[str, Any]) -> None:
        same = (table.c.id == id_) & (table.c.version == version)
        if not await self._execute(update(table).where(same).values(values)):
            raise Conflict(f"{id_} was changed by somebody else meanwhile: nothing was done")

    async def _execute(self, statement: Insert | Update) -> int:
        """Executes a statement, and returns the number of rows that it changed. Raises `Conflict` if another
        habilitation has the same `datapass_id`."""
        try:
            return (await self.connection.execute(statement)).rowcount
        except IntegrityError:
            raise Conflict("another habilitation has this datapass_id") from None


def _checked(made: Habilitation) -> Habilitation:
    """Returns the habilitation with each free text on one line. Raises an `Invalid` that names every fault in the
    fields."""
    made = structs.replace(
        made,
        name=one_line(made.name),
        purpose=one_line(made.purpose),
        contacts=tuple(structs.replace(each, name=one_line(each.name)) for each in made.contacts),
        delegations=tuple(structs.replace(each, name=one_line(each.name)) for each in made.delegations),
    )
    if problems := validation_errors(made):
        raise Invalid(problems)
    return made


def _columns(made: Habilitation) -> dict[str, Any]:
    return dict(msgspec.to_builtins(made, builtin_types=(datetime,)))
