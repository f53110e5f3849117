"""The commands `bouquet-registry editor`, `editor-token` and `delegation`, which administer software editors, their
tokens, and the habilitations delegated to them."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from bouquet_registry import queries as registry_queries
from bouquet_registry.cli import (
    DAYS,
    Context,
    Shown,
    add_target,
    author_of,
    given_fields,
    moment,
    plain,
    verb_of,
    verbs_of,
    whole_number,
)
from bouquet_registry.editors import queries
from bouquet_registry.editors.administration import EditorAdministration, editors_of
from bouquet_registry.editors.records import Editor, EditorToken


async def create(context: Context, given: argparse.Namespace) -> Shown:
    """Creates an editor with the fields that are given as options, and returns the editor. Raises `Invalid` for wrong
    fields."""
    return plain(await _own(context).create(author_of(given), **given_fields(given, Editor)))


async def list_editors(context: Context, given: argparse.Namespace) -> list[Shown]:
    async with context.store.reading() as connection:
        return [plain(found) for found in await queries.editors(connection, archived=given.archived)]


async def show(context: Context, given: argparse.Namespace) -> Shown:
    """Returns an editor with its tokens and the number of its delegations. Raises `Unknown` for an unknown id."""
    async with context.store.reading() as connection:
        found = await queries.editor(connection, given.id)
        tokens = await queries.editor_tokens(connection, of=found.id)
        delegations = await queries.count_delegations(connection, found.id)
    return plain(found) | {"tokens": [plain(token) for token in tokens], "delegations": delegations}


async def update(context: Context, given: argparse.Namespace) -> Shown:
    """Changes the fields of an editor that are given as options, and returns the editor. Raises `Unknown` for an
    unknown id, `Stale` for an outdated `--version`, and `Invalid` for wrong fields."""
    return await _change(context, given, **given_fields(given, Editor))


async def archive(context: Context, given: argparse.Namespace) -> Shown:
    """Archives an editor, so that gateways refuse its tokens, and returns the editor. `--undo` makes the editor active
    again."""
    return await _change(context, given, state="active" if given.undo else "archived")


async def issue(context: Context, given: argparse.Namespace) -> Shown:
    """Issues a token of an editor for 18 months, and returns the token with its signed text (`jwt`). Raises `Refused`
    if the editor is archived."""
    issued = await _own(context).issue(author_of(given), given.editor, **given_fields(given, EditorToken))
    return plain(issued.token) | {"jwt": issued.jwt}


async def list_tokens(context: Context, given: argparse.Namespace) -> list[Shown]:
    """Returns the tokens of all editors, or of the one given by `--editor`, sorted by expiry. With `--expiring-within
    DAYS`, returns only tokens that gateways accept now, and that expire within this number of days."""
    days = given.expiring_within
    between = None if days is None else registry_queries.within(context.clock(), days)
    async with context.store.reading() as connection:
        return [plain(token) for token in await queries.editor_tokens(connection, of=given.editor, between=between)]


async def show_token(context: Context, given: argparse.Namespace) -> Shown:
    """Returns a token of an editor, and the warnings sent before its current expiry as `notices_sent`. There, 30 stands
    for the warning due 30 days before expiry. With `--reveal`, also returns the token's signed text (`jwt`), and
    records who has seen it."""
    async with context.store.reading() as connection:
        token = await queries.editor_token(connection, given.id)
        shown = plain(token) | {"notices_sent": await queries.notices_of(connection, token)}
    if given.reveal:
        shown["jwt"] = await _own(context).text(author_of(given), given.id)
    return shown


async def update_token(context: Context, given: argparse.Namespace) -> Shown:
    """Changes the label or the allowed addresses of an editor's token, and returns the token. Raises `Unknown` for an
    unknown id, `Stale` for an outdated `--version`, and `Invalid` for a wrong label or address."""
    fields = given_fields(given, EditorToken)
    return plain(await _own(context).change_token(author_of(given), given.id, given.version, **fields))


async def prolong(context: Context, given: argparse.Namespace) -> Shown:
    """Moves the expiry of an editor's token to 18 months from now, and returns the token. A blacklisted token stays
    blacklisted."""
    return plain(await _own(context).prolong(author_of(given), given.id, given.version))


async def rotate(context: Context, given: argparse.Namespace) -> Shown:
    """Replaces an editor's token by a new one, and returns the new token with its signed text (`jwt`). Gateways accept
    the former token for another `--grace-hours` hours. `former_until` in the result is the end of this time."""
    grace = timedelta(hours=given.grace_hours)
    made = await _own(context).rotate(author_of(given), given.id, given.version, grace)
    return plain(made.token) | {"former_until": plain(made.former)["blacklisted_at"], "jwt": made.jwt}


async def revoke(context: Context, given: argparse.Namespace) -> Shown:
    """Blacklists an editor's token, at once or from the time `--at`, and returns the token. If the token is blacklisted
    already, raises `Refused` unless `--at` is earlier."""
    own = _own(context)
    return plain(await own.revoke(author_of(given), given.id, given.version, given.reason, given.at))


async def delegate(context: Context, given: argparse.Namespace) -> Shown:
    """Delegates a habilitation to an editor, and returns the delegation. Raises `Refused` if one of them is not active,
    or if the editor accepts no delegations. Raises `Conflict` if the habilitation is already delegated to this
    editor."""
    return plain(await _own(context).delegate(author_of(given), given.editor, given.habilitation))


async def list_delegations(context: Context, given: argparse.Namespace) -> list[Shown]:
    """Returns the delegations, newest first. Revoked ones are included only with `--revoked`."""
    async with context.store.reading() as connection:
        found = await queries.delegations(
            connection, editor=given.editor, habilitation=given.habilitation, revoked=given.revoked
        )
    return [plain(one) for one in found]


async def show_delegation(context: Context, given: argparse.Namespace) -> Shown:
    """Returns a delegation with its history: who created and revoked it, when and why. Raises `Unknown` for an unknown
    id."""
    async with context.store.reading() as connection:
        return plain(await queries.delegation(connection, given.id))


async def withdraw(context: Context, given: argparse.Namespace) -> Shown:
    """Revokes a delegation, and returns the delegation. Raises `Refused` if the delegation is revoked already."""
    return plain(await _own(context).withdraw(author_of(given), given.id, given.version))


async def _change(context: Context, given: argparse.Namespace, **fields: Any) -> Shown:
    return plain(await _own(context).change(author_of(given), given.id, given.version, **fields))


def _own(context: Context) -> EditorAdministration:
    return editors_of(context.administration)


def add_to(nouns: Any) -> None:
    """Adds the subcommands `editor`, `editor-token` and `delegation` to `nouns`, the subcommands of
    `bouquet-registry`."""
    verbs = verbs_of(nouns, "editor", "administer software editors, which call for administrations")
    command = verb_of(verbs, "create", create, "create an editor")
    _add_editor_fields(command, required=True)
    command = verb_of(verbs, "list", list_editors, "list editors")
    command.add_argument("--archived", action="store_true", help="also list archived ones")
    command = verb_of(verbs, "show", show, "show an editor and its tokens")
    command.add_argument("id")
    command = verb_of(verbs, "update", update, "change an editor; its tokens follow everywhere within 5 s")
    add_target(command)
    _add_editor_fields(command, required=False)
    command = verb_of(verbs, "archive", archive, "archive an editor: its tokens are refused")
    add_target(command)
    command.add_argument("--undo", action="store_true", help="make the editor active again")

    verbs = verbs_of(nouns, "editor-token", "administer the access tokens of editors")
    command = verb_of(verbs, "issue", issue, "issue a token for 18 months")
    command.add_argument("editor")
    _add_token_fields(command)
    command = verb_of(verbs, "list", list_tokens, "list tokens of editors")
    command.add_argument("--editor", help="only tokens of this editor")
    command.add_argument(
        "--expiring-within", type=DAYS, metavar="DAYS", help="only tokens in force that expire within DAYS"
    )
    command = verb_of(verbs, "show", show_token, "show a token by its id (the claim jti)")
    command.add_argument("id")
    command.add_argument("--reveal", action="store_true", help="also show the signed text")
    command = verb_of(verbs, "update", update_token, "change label or addresses of a token")
    add_target(command)
    _add_token_fields(command)
    command = verb_of(verbs, "prolong", prolong, "move the expiry of a token to 18 months from now")
    add_target(command)
    command = verb_of(verbs, "rotate", rotate, "issue a token in place of another, which is refused after a while")
    add_target(command)
    grace = "hours that the former token stays valid (24)"
    command.add_argument("--grace-hours", type=whole_number(0, 8760), default=24, help=grace)
    command = verb_of(verbs, "revoke", revoke, "blacklist a token; it is refused everywhere within 5 s")
    add_target(command)
    command.add_argument("--reason", required=True)
    command.add_argument("--at", type=moment, help="time of the revocation, 2027-01-31T12:00+01:00 (now)")

    verbs = verbs_of(nouns, "delegation", "administer delegations: which editor may call with which habilitation")
    command = verb_of(verbs, "create", delegate, "delegate a habilitation to an editor")
    command.add_argument("--editor", required=True)
    command.add_argument("--habilitation", required=True)
    command = verb_of(verbs, "list", list_delegations, "list delegations, newest first")
    command.add_argument("--editor", help="only delegations to this editor")
    command.add_argument("--habilitation", help="only delegations of this habilitation")
    command.add_argument("--revoked", action="store_true", help="also list revoked ones")
    command = verb_of(verbs, "show", show_delegation, "show a delegation with its history")
    command.add_argument("id")
    command = verb_of(verbs, "revoke", withdraw, "revoke a delegation; it counts everywhere within 5 s")
    add_target(command)


def _add_editor_fields(command: argparse.ArgumentParser, *, required: bool) -> None:
    """Adds an option for each field of an editor. If a field is a list, the values of the option replace the whole
    list. `required` says whether the user must give `--siret` and `--name`."""
    command.add_argument("--siret", required=required, help="SIRET of the editor")
    command.add_argument("--name", required=required, help="name of the editor")
    command.add_argument("--form-uids", nargs="*", metavar="UID", help="DataPass forms of the editor")
    command.add_argument("--allowed-ips", nargs="*", metavar="IP[/BITS]", help="addresses that the editor calls from")
    command.add_argument("--members", nargs="*", metavar="EMAIL", help="people who act for the editor")
    flag = argparse.BooleanOptionalAction
    command.add_argument("--delegable", action=flag, help="whether habilitations may be delegated to the editor")
    command.add_argument("--copies-tokens", action=flag, help="whether the editor may see its clients' tokens")


def _add_token_fields(command: argparse.ArgumentParser) -> None:
    command.add_argument("--label", help="name by which the editor tells its tokens apart")
    command.add_argument("--allowed-ips", nargs="*", metavar="IP[/BITS]", help="addresses, within those of the editor")
