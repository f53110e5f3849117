"""Where habilitations and tokens are changed: everything done in one sitting happens, or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, TypeVar
from uuid import uuid4

import msgspec
from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Insert, RowMapping, Table, Update, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry import acts, schema
from bouquet_registry.acts import Author
from bouquet_registry.habilitations import Habilitation, Token, end_of_life, problems_of
from bouquet_registry.store import Store
from bouquet_registry.text import one_line

Clock: TypeAlias = Callable[[], datetime]
S = TypeVar("S", bound=Struct)

TOKENS = select(schema.tokens, schema.habilitations.c.siret, schema.habilitations.c.name).join(schema.habilitations)


class Refused(Exception):
    """Something that cannot be done, in words for who asked for it."""


class Unknown(Refused):
    pass


class Conflict(Refused):
    """Somebody else changed it since it was read."""


class Invalid(Refused):
    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))


def utc_now() -> datetime:
    """In whole seconds, as tokens count them."""
    return datetime.now(UTC).replace(microsecond=0)


@asynccontextmanager
async def sitting(store: Store, author: Author, clock: Clock = utc_now) -> AsyncIterator[Desk]:
    """A transaction in which `author` changes something, and which records each change as an act.

    One at a time: it holds the log, whose numbers so appear in their order.
    """
    async with store.writing() as connection:
        number = await connection.scalar(hold_log(1).returning(schema.log.c.number))
        yield Desk(connection, author, clock(), number or 0)


def hold_log(numbers: int = 0) -> Update:
    """Until the transaction ends, nobody else who holds it goes on. Takes so many of its numbers."""
    return update(schema.log).values(number=schema.log.c.number + numbers)


async def habilitation(connection: AsyncConnection, id_: str) -> Habilitation:
    return await _one(connection, schema.habilitations.c.id == id_, f"no habilitation {id_}")


async def habilitation_of_datapass(connection: AsyncConnection, datapass_id: str) -> Habilitation | None:
    try:
        return await _one(connection, schema.habilitations.c.datapass_id == datapass_id, "")
    except Unknown:
        return None


async def habilitations(connection: AsyncConnection, *, archived: bool = False) -> list[Habilitation]:
    query = select(schema.habilitations).order_by(schema.habilitations.c.created_at, schema.habilitations.c.id)
    if not archived:
        query = query.where(schema.habilitations.c.state != "archived")
    return [_read(row, Habilitation) for row in (await connection.execute(query)).mappings()]


async def token(connection: AsyncConnection, id_: str) -> Token:
    row = (await connection.execute(TOKENS.where(schema.tokens.c.id == id_))).mappings().one_or_none()
    if row is None:
        raise Unknown(f"no token {id_}")
    return _read(row, Token)


async def tokens(
    connection: AsyncConnection,
    *,
    of: str | None = None,
    between: tuple[datetime, datetime] | None = None,
) -> list[Token]:
    """Those of a habilitation; those in force that expire between two moments."""
    query = TOKENS.order_by(schema.tokens.c.expires_at, schema.tokens.c.id)
    if of is not None:
        query = query.where(schema.tokens.c.habilitation == of)
    if between is not None:
        query = query.where(schema.tokens.c.expires_at.between(*between), in_force(between[0]))
    return [_read(row, Token) for row in (await connection.execute(query)).mappings()]


def in_force(now: datetime) -> ColumnElement[bool]:
    """Neither blacklisted nor of a habilitation that is archived. Whether it has expired is another question."""
    blacklisted_at = schema.tokens.c.blacklisted_at
    return (blacklisted_at.is_(None) | (blacklisted_at > now)) & (schema.habilitations.c.state != "archived")


async def notices_of(connection: AsyncConnection, token: Token) -> list[int]:
    """The thresholds, in days, of which notice was given before the token's present end."""
    own = (schema.notices.c.token == token.id) & (schema.notices.c.expires_at == token.expires_at)
    sent = select(schema.notices.c.days).where(own, schema.notices.c.sent_at.is_not(None))
    return list(await connection.scalars(sent.order_by(schema.notices.c.days.desc())))


class Desk:
    """What is given to be changed is as it was read: one that has another version meanwhile is a `Conflict`."""

    def __init__(self, connection: AsyncConnection, author: Author, now: datetime, number: int) -> None:
        self.connection = connection
        self._author = author
        self.now = now
        self._number = number

    async def create(self, **fields: Any) -> Habilitation:
        """Raises `Invalid`, and `Conflict` for a `datapass_id` that is taken."""
        made = _checked(Habilitation(id=str(uuid4()), created_at=self.now, updated_at=self.now, **fields))
        await self._execute(insert(schema.habilitations).values(_columns(made)))
        await self.record("habilitation create", made.id)
        return made

    async def change(self, habilitation: Habilitation, **fields: Any) -> Habilitation:
        """What its tokens allow changes with it. Raises as `create` does."""
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
        if habilitation.state != "active":
            raise Refused(f"habilitation {habilitation.id} is {habilitation.state}: it has no tokens to issue")
        made = Token(
            id=str(uuid4()),
            habilitation=habilitation.id,
            siret=habilitation.siret,
            name=habilitation.name,
            issued_at=self.now,
            expires_at=end_of_life(self.now),
        )
        own = {name: value for name, value in structs.asdict(made).items() if name in schema.tokens.c}
        await self.connection.execute(insert(schema.tokens).values(own | {"change": self._number}))
        await self.record("token issue", made.id)
        return made

    async def prolong(self, token: Token) -> Token:
        """18 months from now; its notices begin anew. A blacklisted one stays so."""
        return await self._change_token("token prolong", token, expires_at=end_of_life(self.now))

    async def revoke(self, token: Token, reason: str, at: datetime | None = None) -> Token:
        """Blacklists it, now or at a moment to come."""
        fields = {"blacklisted_at": at or self.now, "blacklist_reason": one_line(reason)}
        return await self._change_token("token revoke", token, **fields)

    async def record(self, act: str, target: str) -> None:
        """Adds an act of the author to this transaction."""
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
        """How many rows it changed."""
        try:
            return (await self.connection.execute(statement)).rowcount
        except IntegrityError:
            raise Conflict("another habilitation has this datapass_id") from None


def _checked(made: Habilitation) -> Habilitation:
    """With its free texts on one line each. Raises `Invalid`."""
    made = structs.replace(
        made,
        name=one_line(made.name),
        purpose=one_line(made.purpose),
        contacts=tuple(structs.replace(each, name=one_line(each.name)) for each in made.contacts),
        delegations=tuple(structs.replace(each, name=one_line(each.name)) for each in made.delegations),
    )
    if problems := problems_of(made):
        raise Invalid(problems)
    return made


async def _one(connection: AsyncConnection, condition: ColumnElement[bool], absence: str) -> Habilitation:
    row = (await connection.execute(select(schema.habilitations).where(condition))).mappings().one_or_none()
    if row is None:
        raise Unknown(absence)
    return _read(row, Habilitation)


def _read(row: RowMapping, kind: type[S]) -> S:
    return msgspec.convert({str(name): value for name, value in row.items()}, kind)


def _columns(made: Habilitation) -> dict[str, Any]:
    return dict(msgspec.to_builtins(made, builtin_types=(datetime,)))


def within(now: datetime, days: int) -> tuple[datetime, datetime]:
    return now, now + timedelta(days=days)
