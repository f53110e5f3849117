"""Changes of software editors, their tokens and their delegations (rights to use administrations' habilitations). Each
change is recorded as an administrative act. A function raises `Conflict` if somebody has changed the record since it
was read."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from msgspec import structs
from sqlalchemy import insert, update

from bouquet_registry import schema
from bouquet_registry.editors import queries
from bouquet_registry.editors.records import (
    Delegation,
    Editor,
    EditorToken,
    token_address_errors,
    validation_errors,
)
from bouquet_registry.habilitations import Habilitation, expiry_after, problems_in
from bouquet_registry.refusals import InvalidFields, RefusalError
from bouquet_registry.text import contains_token, one_line
from bouquet_registry.transactions import Transaction, changed_fields, columns_of

ROTATED = "remplacé par un nouveau jeton"
"""Reason recorded with the blacklisting of a token that a new one has replaced."""
DELEGATED = "this habilitation is delegated to this editor already"


async def create_editor(transaction: Transaction, **fields: Any) -> Editor:
    """Creates an editor. Raises `InvalidFields` for wrong fields."""
    now = transaction.now
    made = _checked(Editor(id=str(uuid4()), created_at=now, updated_at=now, **fields))
    await transaction.connection.execute(
        insert(schema.editors).values(columns_of(made) | {"change": transaction.number})
    )
    await transaction.record("editor create", made.id, version=made.version)
    return made


async def change_editor(transaction: Transaction, editor: Editor, **fields: Any) -> Editor:
    """Changes fields of an editor. Raises `InvalidFields` for wrong fields, or if an address of a token in force is
    outside the new `allowed_ips`."""
    # Gateways learn of the change by the editor's tokens, which count as changed too.
    version = editor.version
    changed = _checked(structs.replace(editor, updated_at=transaction.now, version=version + 1, **fields), fields)
    for token in await queries.editor_tokens(transaction.connection, editor=editor.id):
        if _is_in_force(token, transaction.now):
            _check_addresses(token.allowed_ips, changed)
    values = columns_of(changed) | {"change": transaction.number}
    await transaction.replace(schema.editors, editor.id, version, values)
    own = schema.editor_tokens.c.editor == editor.id
    await transaction.connection.execute(update(schema.editor_tokens).where(own).values(change=transaction.number))
    what = "change" if changed.state == editor.state else changed.state
    await transaction.record(
        f"editor {what}", editor.id, version=changed.version, changed=changed_fields(editor, changed)
    )
    return changed


async def issue_token(
    transaction: Transaction, editor: Editor, *, label: str = "", allowed_ips: tuple[str, ...] = ()
) -> EditorToken:
    """Issues a token that is valid for 18 months. Raises `RefusalError` if the editor is archived. Raises
    `InvalidFields` for an address outside `Editor.allowed_ips`, or for a label that contains the text of a token."""
    made = await _issue(transaction, editor, label, allowed_ips)
    await transaction.record("editor-token issue", made.id, version=made.version)
    return made


async def change_token(transaction: Transaction, token: EditorToken, **fields: Any) -> EditorToken:
    """Changes the label or the allowed addresses of a token. Raises `InvalidFields` for an address outside
    `Editor.allowed_ips`, or for a label that contains the text of a token."""
    _check_addresses(fields.get("allowed_ips", ()), await queries.editor(transaction.connection, token.editor))
    fields = {name: _label(value) if name == "label" else value for name, value in fields.items()}
    return await _change_token(transaction, "editor-token change", token, **fields)


async def prolong_token(transaction: Transaction, token: EditorToken) -> EditorToken:
    """Moves the expiry of a token to 18 months from now. A blacklisted token stays blacklisted. Raises `InvalidFields`
    if an address of the token no longer lies within `Editor.allowed_ips`."""
    _check_addresses(token.allowed_ips, await queries.editor(transaction.connection, token.editor))
    return await _change_token(transaction, "editor-token prolong", token, expires_at=expiry_after(transaction.now))


async def rotate_token(
    transaction: Transaction, token: EditorToken, grace: timedelta = timedelta()
) -> tuple[EditorToken, EditorToken]:
    """Replaces a token by a new one with the same label and addresses. Returns the new token, then the old token. The
    old token stays valid for the time `grace`. Raises `RefusalError` if the editor is archived, or if a blacklisting of
    the token has begun or is scheduled."""
    if token.blacklisted_at is not None:
        raise RefusalError(f"token {token.id} is blacklisted: issue another")
    editor = await queries.editor(transaction.connection, token.editor)
    made = await _issue(transaction, editor, token.label, token.allowed_ips)
    fields = {"blacklisted_at": transaction.now + grace, "blacklist_reason": ROTATED}
    former = await _change_token(transaction, "editor-token rotate", token, **fields)
    await transaction.record("editor-token issue", made.id, version=made.version)
    return made, former


async def revoke_token(
    transaction: Transaction, token: EditorToken, reason: str, at: datetime | None = None
) -> EditorToken:
    """Blacklists a token from the time `at`, or at once if `at` is None. Raises `RefusalError` if a blacklisting in
    effect would move to a later time. Raises `InvalidFields` if `reason` contains the text of a token."""
    return await _change_token(transaction, "editor-token revoke", token, **transaction.blacklisting(token, reason, at))


async def delegate(transaction: Transaction, editor: Editor, habilitation: Habilitation) -> Delegation:
    """Delegates a habilitation to an editor. Raises `RefusalError` unless both are active and the editor accepts
    delegations. Raises `Conflict` if this editor has the delegation already."""
    if editor.state != "active" or not editor.delegable:
        raise RefusalError(f"editor {editor.id} takes no delegations")
    if habilitation.state != "active":
        raise RefusalError(f"habilitation {habilitation.id} is {habilitation.state}: it cannot be delegated")
    made = Delegation(
        id=str(uuid4()),
        editor=editor.id,
        editor_name=editor.name,
        habilitation=habilitation.id,
        siret=habilitation.siret,
        name=habilitation.name,
        created_at=transaction.now,
        created_by=one_line(transaction.author.name),
        created_why=one_line(transaction.author.reason),
    )
    own = {name: value for name, value in structs.asdict(made).items() if name in schema.delegations.c}
    await transaction.execute(insert(schema.delegations).values(own), DELEGATED)
    await _mark_changed(transaction, editor.id)
    await transaction.record("delegation create", made.id, version=made.version)
    return made


async def withdraw(transaction: Transaction, delegation: Delegation) -> Delegation:
    """Revokes a delegation at once. Raises `RefusalError` if the delegation is revoked already."""
    if delegation.revoked_at is not None:
        raise RefusalError(f"delegation {delegation.id} is revoked already")
    fields = {
        "revoked_at": transaction.now,
        "revoked_by": one_line(transaction.author.name),
        "revoked_why": one_line(transaction.author.reason),
        "version": delegation.version + 1,
    }
    await transaction.replace(schema.delegations, delegation.id, delegation.version, fields)
    await _mark_changed(transaction, delegation.editor)
    await transaction.record("delegation revoke", delegation.id, version=delegation.version + 1)
    return structs.replace(delegation, **fields)


async def _issue(transaction: Transaction, editor: Editor, label: str, allowed_ips: tuple[str, ...]) -> EditorToken:
    if editor.state != "active":
        raise RefusalError(f"editor {editor.id} is {editor.state}: it has no tokens to issue")
    _check_addresses(allowed_ips, editor)
    made = EditorToken(
        id=str(uuid4()),
        editor=editor.id,
        label=_label(label),
        allowed_ips=allowed_ips,
        issued_at=transaction.now,
        expires_at=expiry_after(transaction.now),
    )
    await transaction.connection.execute(
        insert(schema.editor_tokens).values(columns_of(made) | {"change": transaction.number})
    )
    return made


async def _change_token(transaction: Transaction, act: str, token: EditorToken, **fields: Any) -> EditorToken:
    version = token.version + 1
    values = fields | {"version": version, "change": transaction.number}
    await transaction.replace(schema.editor_tokens, token.id, token.version, values)
    made = structs.replace(token, version=version, **fields)
    await transaction.record(act, token.id, version=version, changed=changed_fields(token, made))
    return made


async def _mark_changed(transaction: Transaction, editor: str) -> None:
    await transaction.connection.execute(
        update(schema.editors).where(schema.editors.c.id == editor).values(change=transaction.number)
    )


def _is_in_force(token: EditorToken, now: datetime) -> bool:
    return token.expires_at > now and (token.blacklisted_at is None or token.blacklisted_at > now)


def _check_addresses(allowed_ips: Iterable[str], editor: Editor) -> None:
    if problems := token_address_errors(allowed_ips, editor):
        raise InvalidFields(problems)


def _label(text: str) -> str:
    if contains_token(text):
        raise InvalidFields(["label: contains a token"])
    return one_line(text)


def _checked(made: Editor, fields: Container[str] = Editor.__struct_fields__) -> Editor:
    """Returns the editor with its name on one line. Raises `InvalidFields`, with all faults, if a field named in
    `fields` is wrong."""
    # A change passes only the fields that it sets.
    made = structs.replace(made, name=one_line(made.name))
    if problems := problems_in(fields, validation_errors(made)):
        raise InvalidFields(problems)
    return made
