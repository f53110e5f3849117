"""Administration of software editors, their tokens and their delegations (rights to use administrations'
habilitations), for the commands and the API. Each change is recorded as an administrative act (who did what)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from bouquet_mesh.secret import Secret
from bouquet_registry import acts, transactions
from bouquet_registry import queries as registry_queries
from bouquet_registry.acts import Author
from bouquet_registry.administration import Administration, check_version
from bouquet_registry.clock import Clock, utc_now
from bouquet_registry.editors import changes, queries
from bouquet_registry.editors.records import Delegation, Editor, EditorToken
from bouquet_registry.keys.signatures import record_signature
from bouquet_registry.store import Store
from bouquet_registry.token_signing import Signer
from bouquet_registry.transactions import Transaction


class IssuedEditorToken(Struct, frozen=True):
    """New token of a software editor, with its signed text (JWT)."""

    token: EditorToken
    jwt: str


class RotatedToken(Struct, frozen=True):
    """New token of a software editor, with its signed text (JWT), and the token that it replaces."""

    token: EditorToken
    jwt: str
    former: EditorToken


class EditorAdministration(Struct, frozen=True):
    """Administration of the software editors in one database. Methods that return a token's signed text raise
    `SettingsError` without `signing_key`, and `RefusalError` if the key is withdrawn.

    Methods raise `UnknownRecord` for an unknown id, and `StaleVersion` unless `version` is the record's current version
    or None.
    """

    store: Store
    signing_key: Secret
    clock: Clock = utc_now

    async def create(self, author: Author, **fields: Any) -> Editor:
        """Creates an editor. Raises `InvalidFields` for wrong fields."""
        async with self._begin(author) as transaction:
            return await changes.create_editor(transaction, **fields)

    async def change(self, author: Author, id_: str, version: int | None, **fields: Any) -> Editor:
        """Changes fields of an editor. Raises `UnknownRecord` for an unknown id, and `StaleVersion` unless `version` is
        the editor's current version or None. Raises `InvalidFields` for wrong fields, or if an address of a token in
        force is outside the new `allowed_ips`."""
        async with self._begin(author) as transaction:
            found = await queries.editor(transaction.connection, id_)
            await check_version(transaction, found, version)
            return await changes.change_editor(transaction, found, **fields)

    async def issue(self, author: Author, editor: str, **fields: Any) -> IssuedEditorToken:
        """Issues a token of an editor for 18 months. Raises `UnknownRecord` for an unknown editor, and `InvalidFields`
        for wrong fields. Raises `RefusalError` if the editor is archived, or if the key that signs tokens is
        withdrawn."""
        signer = Signer(self.signing_key)
        async with self._begin(author) as transaction:
            own = await queries.editor(transaction.connection, editor)
            token = await changes.issue_token(transaction, own, **fields)
            await record_signature(transaction.connection, signer.kid, token.id)
            return IssuedEditorToken(token, signer.sign_for_editor(token, own))

    async def text(self, author: Author, id_: str) -> str:
        """Returns the signed text of a token, and records that `author` has seen the text. Raises `UnknownRecord` for
        an unknown id, and `RefusalError` if the key that signs tokens is withdrawn."""
        signer = Signer(self.signing_key)
        async with self.store.writing() as connection:
            token = await queries.editor_token(connection, id_)
            own = await queries.editor(connection, token.editor)
            await record_signature(connection, signer.kid, id_)
            await acts.record(connection, author, "editor-token reveal", id_, self.clock())
        return signer.sign_for_editor(token, own)

    async def change_token(self, author: Author, id_: str, version: int | None, **fields: Any) -> EditorToken:
        """Changes the label or the allowed addresses of a token. Raises `UnknownRecord` for an unknown id, and
        `StaleVersion` unless `version` is the token's current version or None. Raises `InvalidFields` for an address
        outside `Editor.allowed_ips`, or for a label that contains the text of a token."""
        async with self._begin(author) as transaction:
            return await changes.change_token(transaction, await _token(transaction, id_, version), **fields)

    async def prolong(self, author: Author, id_: str, version: int | None) -> EditorToken:
        """Moves the expiry of a token to 18 months from now. A blacklisted token stays blacklisted. Raises
        `UnknownRecord` for an unknown id, and `StaleVersion` unless `version` is the token's current version or None.
        Raises `InvalidFields` if an address of the token no longer lies within `Editor.allowed_ips`."""
        async with self._begin(author) as transaction:
            return await changes.prolong_token(transaction, await _token(transaction, id_, version))

    async def rotate(self, author: Author, id_: str, version: int | None, grace: timedelta) -> RotatedToken:
        """Replaces a token by a new one. The old token stays valid for the time `grace`. Raises `UnknownRecord` for an
        unknown id, and `StaleVersion` unless `version` is the old token's current version or None. Raises
        `RefusalError` if the editor is archived, or if a blacklisting of the old token has begun or is scheduled."""
        signer = Signer(self.signing_key)
        async with self._begin(author) as transaction:
            token = await _token(transaction, id_, version)
            own = await queries.editor(transaction.connection, token.editor)
            made, former = await changes.rotate_token(transaction, token, grace)
            await record_signature(transaction.connection, signer.kid, made.id)
            return RotatedToken(made, signer.sign_for_editor(made, own), former)

    async def revoke(
        self, author: Author, id_: str, version: int | None, reason: str, at: datetime | None = None
    ) -> EditorToken:
        """Blacklists a token from the time `at`, or at once if `at` is None. Raises `UnknownRecord` for an unknown id,
        and `StaleVersion` unless `version` is the token's current version or None. Raises `RefusalError` if a
        blacklisting in effect would move to a later time. Raises `InvalidFields` if `reason` contains the text of a
        token."""
        async with self._begin(author) as transaction:
            return await changes.revoke_token(transaction, await _token(transaction, id_, version), reason, at)

    async def delegate(self, author: Author, editor: str, habilitation: str) -> Delegation:
        """Delegates a habilitation to an editor. Raises `RefusalError` unless both are active and the editor accepts
        delegations. Raises `Conflict` if this editor has the delegation already."""
        async with self._begin(author) as transaction:
            to = await queries.editor(transaction.connection, editor)
            own = await registry_queries.habilitation(transaction.connection, habilitation)
            return await changes.delegate(transaction, to, own)

    async def withdraw(self, author: Author, id_: str, version: int | None) -> Delegation:
        """Revokes a delegation. Raises `UnknownRecord` for an unknown id, and `StaleVersion` unless `version` is the
        delegation's current version or None. Raises `RefusalError` if the delegation is revoked already."""
        async with self._begin(author) as transaction:
            found = await queries.delegation(transaction.connection, id_)
            await check_version(transaction, found, version)
            return await changes.withdraw(transaction, found)

    @asynccontextmanager
    async def _begin(self, author: Author) -> AsyncIterator[Transaction]:
        async with transactions.begin(self.store, author, self.clock) as transaction:
            yield transaction


def editor_administration_of(administration: Administration) -> EditorAdministration:
    """Returns an `EditorAdministration` that uses the database, signing key and clock of `administration`."""
    return EditorAdministration(administration.store, administration.signing_key, administration.clock)


async def _token(transaction: Transaction, id_: str, version: int | None) -> EditorToken:
    found = await queries.editor_token(transaction.connection, id_)
    await check_version(transaction, found, version)
    return found
