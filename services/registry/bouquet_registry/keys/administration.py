"""Administration of the keys that sign tokens: withdrawing a key, ending the withdrawal, and signing tokens again."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bouquet_registry import queries, schema, transactions
from bouquet_registry.acts import Author
from bouquet_registry.administration import Administration
from bouquet_registry.editors import queries as editor_queries
from bouquet_registry.keys import signatures
from bouquet_registry.keys.signatures import UNRECORDED, SignedToken, SigningKey
from bouquet_registry.refusals import InvalidFields, RefusalError, UnknownRecord
from bouquet_registry.text import one_line
from bouquet_registry.token_signing import Signer
from bouquet_registry.transactions import Transaction


class ReissuedToken(Struct, frozen=True):
    """Token that was signed again with the present key, and its new signed text (`jwt`)."""

    token: SignedToken
    jwt: str


class KeyAdministration(Struct, frozen=True):
    """Administration of the keys that sign the tokens of one database."""

    administration: Administration

    async def keys(self) -> list[SigningKey]:
        """Returns the key that signs tokens now, the keys that have signed tokens in force, and the withdrawn keys,
        sorted by name."""
        async with self.administration.store.reading() as connection:
            return await signatures.signing_keys(connection, self._current, self.administration.clock())

    async def tokens(self, kid: str) -> list[SignedToken]:
        """Returns the tokens in force that the key `kid` has signed, sorted by their owners' names, then by expiry.
        Includes tokens whose signing key is unknown."""
        async with self.administration.store.reading() as connection:
            return await signatures.signed_tokens(connection, kid, self.administration.clock())

    async def withdraw(self, author: Author, kid: str) -> SigningKey:
        """Withdraws a key, so that gateways refuse every token text signed with this key. Raises `RefusalError` if the
        key is withdrawn already, and `InvalidFields` if `kid` cannot be the name of a key."""
        _check(kid)
        async with transactions.begin(self.administration.store, author, self.administration.clock) as transaction:
            connection = transaction.connection
            if kid in await signatures.withdrawn_keys(connection):
                raise RefusalError(f"the key {kid!r} is withdrawn already")
            row = {
                "kid": kid,
                "withdrawn_at": transaction.now,
                "withdrawn_by": one_line(author.name),
                "withdrawn_why": one_line(author.reason),
            }
            await connection.execute(insert(schema.withdrawn_keys).values(row))
            await _mark_changed(transaction, kid)
            await transaction.record("key withdraw", kid)
            return await self._key(connection, kid, transaction.now)

    async def restore(self, author: Author, kid: str) -> SigningKey:
        """Ends the withdrawal of a key, so that gateways accept its tokens again. Raises `UnknownRecord` if the key is
        not withdrawn."""
        async with transactions.begin(self.administration.store, author, self.administration.clock) as transaction:
            connection = transaction.connection
            removed = await connection.execute(delete(schema.withdrawn_keys).where(schema.withdrawn_keys.c.kid == kid))
            if not removed.rowcount:
                raise UnknownRecord("no withdrawn key has this name")
            await _mark_changed(transaction, kid)
            await transaction.record("key restore", kid)
            return await self._key(connection, kid, transaction.now)

    async def reissue(self, author: Author, kid: str) -> list[ReissuedToken]:
        """Signs again, with the current key, the tokens in force that the key `kid` has signed. Includes tokens whose
        signing key is unknown. Each token keeps its id and expiry. Raises `RefusalError` if `kid` is the current key,
        or if the current key is withdrawn."""
        # Records, for each token, that the author has seen the new text.
        signer = Signer(self.administration.signing_key)
        if signer.kid == kid:
            raise RefusalError(f"the key {kid!r} signs tokens now: set another key first")
        async with transactions.begin(self.administration.store, author, self.administration.clock) as transaction:
            connection, made = transaction.connection, []
            for one in await signatures.signed_tokens(connection, kid, transaction.now):
                await signatures.record_signature(connection, signer.kid, one.id)
                if one.kind == "token":
                    token = await queries.token(connection, one.id)
                    text = signer.sign(token, await queries.habilitation(connection, one.owner))
                    await transaction.record("token reveal", one.id)
                else:
                    editor_token = await editor_queries.editor_token(connection, one.id)
                    text = signer.sign_for_editor(editor_token, await editor_queries.editor(connection, one.owner))
                    await transaction.record("editor-token reveal", one.id)
                made.append(ReissuedToken(one, text))
            await transaction.record("key reissue", kid)
            return made

    @property
    def _current(self) -> str | None:
        """Name of the key that signs tokens now; None if this process has no key."""
        return Signer(self.administration.signing_key).kid if self.administration.signing_key else None

    async def _key(self, connection: AsyncConnection, kid: str, now: datetime) -> SigningKey:
        known = await signatures.signing_keys(connection, self._current, now)
        none = SigningKey(kid=kid, is_current=False, tokens=0)
        return next((key for key in known if key.kid == kid), none)


async def _mark_changed(transaction: Transaction, kid: str) -> None:
    """Marks as changed the tokens that the key `kid` has signed, so that gateways ask for them again. Includes tokens
    whose signing key is unknown."""
    # For gateways of a former release, which know withdrawn keys by the blacklisting of their tokens alone.
    own = schema.signatures.c
    signed = select(own.token).where(own.kid.in_((kid, UNRECORDED)))
    for table in (schema.tokens, schema.editor_tokens):
        await transaction.connection.execute(
            update(table).where(table.c.id.in_(signed)).values(change=transaction.number)
        )


def _check(kid: str) -> None:
    if not signatures.is_kid(kid):
        raise InvalidFields(["kid: is no name of a key"])
