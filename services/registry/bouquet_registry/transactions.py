"""Transactions that change habilitations (rights to call operations) and their tokens, each in the name of an author.
Changes of software editors are in `editors.changes`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
from msgspec import Struct, structs
from sqlalchemy import Insert, Table, Update, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry import acts, schema
from bouquet_registry.acts import Author
from bouquet_registry.clock import Clock, utc_now
from bouquet_registry.editors.records import EditorToken
from bouquet_registry.habilitations import Habilitation, Token, expiry_after, problems_in, validation_errors
from bouquet_registry.refusals import Conflict, InvalidFields, RefusalError
from bouquet_registry.store import Store
from bouquet_registry.text import contains_token, one_line

R = TypeVar("R", bound=Struct)
S = TypeVar("S", bound=Struct)

KEPT_BY_REGISTRY = ("version", "updated_at", "told_at")
"""Fields of a record that the registry itself sets when the record changes. `changed_fields` ignores them."""
TAKEN = "another habilitation has this datapass_id"


@asynccontextmanager
async def begin(store: Store, author: Author, clock: Clock = utc_now) -> AsyncIterator[Transaction]:
    """Yields a transaction in which `author` changes habilitations and tokens. Either all changes are written, each
    with an act (record of who changed what), or nothing is."""
    # Each transaction locks the log of changes. So transactions run one at a time, and the numbers of changes appear in
    # order.
    async with store.writing() as connection:
        number = await connection.scalar(lock_log(1).returning(schema.log.c.number))
        yield Transaction(connection, author, clock(), number or 0)


def lock_log(numbers: int = 0) -> Update:
    """Returns the SQL statement that locks the log of changes until the transaction ends, and adds `numbers` to the
    number of the last change."""
    return update(schema.log).values(number=schema.log.c.number + numbers)


class Transaction:
    """Transaction that changes habilitations and tokens. A method that changes a record takes the record as it was
    read, and raises `Conflict` if somebody has changed it since."""

    def __init__(self, connection: AsyncConnection, author: Author, now: datetime, number: int) -> None:
        """Takes a connection with an open transaction, the author and time of its changes, and their `number` in the
        log of changes."""
        self.connection = connection
        self.author = author
        self.now = now
        self.number = number

    async def create(self, **fields: Any) -> Habilitation:
        """Creates a habilitation with these fields. Raises `InvalidFields` for wrong fields, and `Conflict` if another
        habilitation has the same `datapass_id`."""
        made = checked(Habilitation(id=str(uuid4()), created_at=self.now, updated_at=self.now, **fields))
        return await self.add(made, "habilitation create")

    async def add(self, made: Habilitation, act: str) -> Habilitation:
        """Writes a new habilitation, whose fields the caller has checked. Records an administrative act with the name
        `act`, such as `habilitation import`. Raises `Conflict` if another habilitation has the same `datapass_id`."""
        await self.execute(insert(schema.habilitations).values(columns_of(made)), TAKEN)
        await self.record(act, made.id, version=made.version)
        return made

    async def change(self, habilitation: Habilitation, **fields: Any) -> Habilitation:
        """Changes fields of a habilitation. Raises `InvalidFields` for wrong fields. Raises `Conflict` if somebody has
        changed the habilitation since it was read, or if another one has the same `datapass_id`."""
        version = habilitation.version
        changed = checked(structs.replace(habilitation, updated_at=self.now, version=version + 1, **fields), fields)
        await self.replace(schema.habilitations, habilitation.id, version, columns_of(changed), TAKEN)
        await self._mark_changed(habilitation.id)
        what = "change" if changed.state == habilitation.state else changed.state
        changes = changed_fields(habilitation, changed)
        await self.record(f"habilitation {what}", habilitation.id, version=changed.version, changed=changes)
        await self._record_delegations(habilitation.state, changed)
        return changed

    async def issue(self, habilitation: Habilitation, *, mcp: bool = False) -> Token:
        """Issues a token that is valid for 18 months, and sets its flag `mcp` as given. Raises `RefusalError` unless
        the habilitation is active."""
        if habilitation.state != "active":
            raise RefusalError(f"habilitation {habilitation.id} is {habilitation.state}: it has no tokens to issue")
        made = Token(
            id=str(uuid4()),
            habilitation=habilitation.id,
            siret=habilitation.siret,
            name=habilitation.name,
            issued_at=self.now,
            expires_at=expiry_after(self.now),
            mcp=mcp,
        )
        return await self.add_token(made, "token issue")

    async def add_token(self, made: Token, act: str) -> Token:
        """Writes a new token. Records an administrative act with the name `act`, such as `token import`."""
        own = {name: value for name, value in structs.asdict(made).items() if name in schema.tokens.c}
        await self.connection.execute(insert(schema.tokens).values(own | {"change": self.number}))
        await self.record(act, made.id, version=made.version)
        return made

    async def prolong(self, token: Token) -> Token:
        """Moves a token's expiry to 18 months from the start of the transaction. A blacklisted token stays
        blacklisted."""
        # Notices are sent again before the new expiry.
        return await self._change_token("token prolong", token, expires_at=expiry_after(self.now))

    async def revoke(self, token: Token, reason: str, at: datetime | None = None) -> Token:
        """Blacklists a token from the time `at`, or at once if `at` is None. Raises `RefusalError` if a blacklisting in
        effect would move to a later time. Raises `InvalidFields` if `reason` contains the text of a token."""
        return await self._change_token("token revoke", token, **self.blacklisting(token, reason, at))

    def blacklisting(self, token: Token | EditorToken, reason: str, at: datetime | None) -> dict[str, Any]:
        """Returns the fields, with their new values, that blacklist a token from the time `at`, or at once if `at` is
        None. Raises `RefusalError` and `InvalidFields` like `revoke`."""
        if contains_token(reason):
            raise InvalidFields(["reason: contains a token"])
        since, moment = token.blacklisted_at, at or self.now
        if since is not None and since <= self.now and moment > since:  # a later time would make it valid again
            raise RefusalError(f"token {token.id} is blacklisted already")
        return {"blacklisted_at": moment, "blacklist_reason": one_line(reason)}

    async def set_mcp(self, token: Token, *, mcp: bool) -> Token:
        """Sets or clears the flag `mcp` of a token, which allows its use with the Model Context Protocol. A JWT signed
        before keeps the former flag, but gateways that ask the registry ignore it."""
        return await self._change_token("token change", token, mcp=mcp)

    async def record(self, act: str, target: str, *, version: int | None = None, changed: tuple[str, ...] = ()) -> None:
        """Records an administrative act (who did what) with the name `act`. `target` is the id of the record concerned.
        If the act changes this record, `version` is the new version, and `changed` names the changed fields."""
        await acts.record(self.connection, self.author, act, target, self.now, version=version, changed=changed)

    async def replace(self, table: Table, id_: str, version: int, values: dict[str, Any], taken: str = "") -> None:
        """Sets `values` in the row with this id. Raises `Conflict` if the row's version is no longer `version`, or,
        with the message `taken`, if another row has a value that must be unique."""
        same = (table.c.id == id_) & (table.c.version == version)
        if not await self.execute(update(table).where(same).values(values), taken):
            raise Conflict(f"{id_} was changed by somebody else meanwhile: nothing was done")

    async def execute(self, statement: Insert | Update, taken: str) -> int:
        """Executes a statement, and returns the number of changed rows. Raises `Conflict` with the message `taken` if
        another row has a value that must be unique."""
        try:
            return (await self.connection.execute(statement)).rowcount
        except IntegrityError:
            raise Conflict(taken) from None

    async def _record_delegations(self, former: str, changed: Habilitation) -> None:
        """Records that a habilitation's delegations are suspended or resumed, if its state has changed from or to
        `active`. `former` is the state before the change."""
        if (former == "active") == (changed.state == "active"):
            return
        act = "delegation resume" if changed.state == "active" else "delegation suspend"
        own = schema.delegations.c
        query = select(own.id).where(own.habilitation == changed.id, own.revoked_at.is_(None)).order_by(own.id)
        for id_ in (await self.connection.scalars(query)).all():
            await self.record(act, id_)

    async def _mark_changed(self, habilitation: str) -> None:
        """Marks all tokens and editors whose rights depend on a habilitation as changed. Gateways then ask for them
        again."""
        # They have changed for its tokens and for the editors that act for it.
        delegated = schema.delegations.c
        editors = select(delegated.editor).where(delegated.habilitation == habilitation, delegated.revoked_at.is_(None))
        for table, concerned in (
            (schema.tokens, schema.tokens.c.habilitation == habilitation),
            (schema.editors, schema.editors.c.id.in_(editors)),
        ):
            await self.connection.execute(update(table).where(concerned).values(change=self.number))

    async def _change_token(self, act: str, token: Token, **fields: Any) -> Token:
        version = token.version + 1
        values = fields | {"version": version, "change": self.number}
        await self.replace(schema.tokens, token.id, token.version, values)
        made = structs.replace(token, version=version, **fields)
        await self.record(act, token.id, version=version, changed=changed_fields(token, made))
        return made


def checked(made: Habilitation, fields: Container[str] = Habilitation.__struct_fields__) -> Habilitation:
    """Returns the habilitation with each free text on one line. Raises `InvalidFields` if a field named in `fields` is
    wrong."""
    # A change passes only the fields that it sets.
    # A field that stays as it is may be wrong by the rules of this version: that must not keep anybody from closing
    # the habilitation.
    made = structs.replace(
        made,
        name=one_line(made.name),
        purpose=one_line(made.purpose),
        description=one_line(made.description),
        contacts=tuple(structs.replace(each, name=one_line(each.name)) for each in made.contacts),
        service_provider=_on_one_line(made.service_provider),
        data_protection_officer=_on_one_line(made.data_protection_officer),
    )
    if problems := problems_in(fields, validation_errors(made)):
        raise InvalidFields(problems)
    return made


def _on_one_line(part: S | None) -> S | None:
    """Returns a copy of a struct of texts in which each text is on one line. Returns None for None."""
    return part and type(part)(*map(one_line, structs.astuple(part)))


def changed_fields(before: R, after: R) -> tuple[str, ...]:
    """Returns the names of the fields in which two versions of a record differ. Leaves out the fields in
    `KEPT_BY_REGISTRY`, such as `version`."""
    names = (name for name in before.__struct_fields__ if name not in KEPT_BY_REGISTRY)
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))


def columns_of(made: Struct) -> dict[str, Any]:
    return dict(msgspec.to_builtins(made, builtin_types=(datetime,)))
