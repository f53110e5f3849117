"""Administration of tokens and of habilitations (administrations' rights to call operations), for the commands and the
API. Each change is stored together with the record of who made it (the administrative act)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from bouquet_mesh.secret import Secret
from bouquet_registry import acts, queries, transactions
from bouquet_registry.acts import Act, Author
from bouquet_registry.clock import Clock, utc_now
from bouquet_registry.habilitations import Habilitation, Token
from bouquet_registry.keys.signatures import record_signature
from bouquet_registry.refusals import Conflict, InvalidFields
from bouquet_registry.served_scopes import check_scopes
from bouquet_registry.store import Store
from bouquet_registry.token_signing import Signer
from bouquet_registry.transactions import Transaction


class Versioned(Protocol):
    """Protocol of the records that have an id and a version number, such as habilitations and tokens."""

    @property
    def id(self) -> str: ...

    @property
    def version(self) -> int: ...


class StaleVersion(Conflict):
    """Error raised for a change that is based on an outdated version of the record."""

    def __init__(self, current: Versioned, version: int, since: list[Act]) -> None:
        """Takes the `current` record, and the outdated `version` that the author had read. `since` lists the
        administrative acts (who did what) after `version`."""
        super().__init__(f"{current.id} is at version {current.version}, not {version}: nothing was done")
        self.current = current
        self.since = since


class IssuedToken(Struct, frozen=True):
    """New token, with its signed text (`jwt`), which callers send to gateways."""

    token: Token
    jwt: str


class Administration(Struct, frozen=True):
    """Administration of the habilitations (administrations' rights to call operations) and tokens in one database.
    Methods that make the signed text of a token need `signing_key`, and raise `SettingsError` without it.

    A method that changes a record takes the version that the author has read, and raises `StaleVersion` if the record
    has a newer version. `None` skips this check.
    """

    store: Store
    signing_key: Secret
    clock: Clock = utc_now

    async def create(self, author: Author, *, unchecked: bool = False, **fields: Any) -> Habilitation:
        """Creates a habilitation with these fields. Raises `InvalidFields` for wrong fields, and `Conflict` if another
        habilitation has the same `datapass_id`. Scopes that no provider serves are wrong too, unless `unchecked` is
        true."""
        async with transactions.begin(self.store, author, self.clock) as transaction:
            await _check_scopes(transaction, fields, unchecked=unchecked)
            made = await transaction.create(**fields)
            await _record_unchecked(transaction, made, unchecked=unchecked)
            return made

    async def change(
        self, author: Author, id_: str, version: int | None, *, unchecked: bool = False, **fields: Any
    ) -> Habilitation:
        """Changes these fields of a habilitation. Raises `UnknownRecord` for an unknown id. Raises `StaleVersion` if
        the habilitation's version is not `version`; None skips this check. Raises `InvalidFields` for wrong fields, and
        `Conflict` if another habilitation has the same `datapass_id`. New scopes that no provider serves are wrong too,
        unless `unchecked` is true."""
        async with transactions.begin(self.store, author, self.clock) as transaction:
            found = await queries.habilitation(transaction.connection, id_)
            await check_version(transaction, found, version)
            await _check_scopes(transaction, fields, known=found.scopes, unchecked=unchecked)
            made = await transaction.change(found, **fields)
            await _record_unchecked(transaction, made, unchecked=unchecked)
            return made

    async def issue(self, author: Author, habilitation: str, *, mcp: bool = False) -> IssuedToken:
        """Issues a token of a habilitation for 18 months. If `mcp` is true, the token may also be used with the Model
        Context Protocol. Raises `UnknownRecord` for an unknown habilitation. Raises `RefusalError` if the habilitation
        is not active, or if the key that signs tokens is withdrawn."""
        signer = Signer(self.signing_key)
        async with transactions.begin(self.store, author, self.clock) as transaction:
            own = await queries.habilitation(transaction.connection, habilitation)
            token = await transaction.issue(own, mcp=mcp)
            await record_signature(transaction.connection, signer.kid, token.id)
            return IssuedToken(token, signer.sign(token, own))

    async def text(self, author: Author, id_: str) -> str:
        """Returns the signed text of a token, and records that the author has seen the text. Raises `UnknownRecord` for
        an unknown id, and `RefusalError` if the key that signs tokens is withdrawn."""
        signer = Signer(self.signing_key)
        async with self.store.writing() as connection:
            token = await queries.token(connection, id_)
            own = await queries.habilitation(connection, token.habilitation)
            await record_signature(connection, signer.kid, id_)
            await acts.record(connection, author, "token reveal", id_, self.clock())
        return signer.sign(token, own)

    async def prolong(self, author: Author, id_: str, version: int | None) -> Token:
        """Moves the expiry of a token to 18 months from now. A blacklisted token stays blacklisted. Raises
        `UnknownRecord` for an unknown id. Raises `StaleVersion` if the token's version is not `version`; None skips
        this check."""
        async with transactions.begin(self.store, author, self.clock) as transaction:
            return await transaction.prolong(await _token(transaction, id_, version))

    async def revoke(
        self, author: Author, id_: str, version: int | None, reason: str, at: datetime | None = None
    ) -> Token:
        """Blacklists a token from the time `at`, or at once if `at` is None. Raises `RefusalError` if a blacklisting in
        effect would move to a later time. Raises `UnknownRecord` for an unknown id, and `InvalidFields` if `reason`
        contains the text of a token. Raises `StaleVersion` if the token's version is not `version`; None skips this
        check."""
        async with transactions.begin(self.store, author, self.clock) as transaction:
            return await transaction.revoke(await _token(transaction, id_, version), reason, at)

    async def set_mcp(self, author: Author, id_: str, version: int | None, *, mcp: bool) -> Token:
        """Sets or clears a token's flag `mcp`, which allows its use with the Model Context Protocol. Raises
        `UnknownRecord` for an unknown id. Raises `StaleVersion` if the token's version is not `version`; None skips
        this check."""
        async with transactions.begin(self.store, author, self.clock) as transaction:
            return await transaction.set_mcp(await _token(transaction, id_, version), mcp=mcp)

    async def record(self, author: Author, act: str, target: str = "") -> None:
        """Records an administrative act (who did what) that changes no habilitation or token. `act` is the name of the
        act, such as `journal read`. `target` is the id of the record that the act concerns, or "" if there is none."""
        async with self.store.writing() as connection:
            await acts.record(connection, author, act, target, self.clock())


async def _check_scopes(
    transaction: Transaction, fields: Mapping[str, Any], *, known: tuple[str, ...] = (), unchecked: bool
) -> None:
    """Raises `InvalidFields` if `fields` has scopes that no provider serves. Accepts the scopes in `known`, which the
    habilitation has already. If `unchecked` is true, accepts all scopes, but requires that the author gives a
    reason."""
    if not unchecked:
        if fields.get("scopes"):
            await check_scopes(transaction.connection, fields["scopes"], transaction.now, known)
    elif not transaction.author.reason:
        raise InvalidFields(["reason: is required for scopes that are not checked"])


async def _record_unchecked(transaction: Transaction, made: Habilitation, *, unchecked: bool) -> None:
    if unchecked:
        await transaction.record("habilitation unchecked scopes", made.id)


async def _token(transaction: Transaction, id_: str, version: int | None) -> Token:
    found = await queries.token(transaction.connection, id_)
    await check_version(transaction, found, version)
    return found


async def check_version(transaction: Transaction, found: Versioned, version: int | None) -> None:
    """Raises `StaleVersion` if the record `found` is no longer at `version`, the version that the author had read. None
    skips this check."""
    if version is not None and version != found.version:
        raise StaleVersion(found, version, await acts.acts_after(transaction.connection, found.id, version))
