"""The commands `bouquet-registry editor`, `editor-token` and `delegation`, which administer software editors, their
tokens, and the habilitations delegated to them."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from bouquet_registry import queries as registry_queries
from bouquet_registry.cli import (
    DAYS_ARGUMENT,
    Context,
    Output,
    add_command_group,
    add_subcommand,
    add_target,
    as_output,
    author_of,
    given_fields,
    time_argument,
    whole_number_argument,
)
from bouquet_registry.editors import queries
from bouquet_registry.editors.administration import EditorAdministration, editor_administration_of
from bouquet_registry.editors.records import Editor, EditorToken


async def create(context: Context, arguments: argparse.Namespace) -> Output:
    """Creates an editor with the fields that are given as options, and returns the editor. Raises `InvalidFields` for
    wrong fields."""
    return as_output(await _own(context).create(author_of(arguments), **given_fields(arguments, Editor)))


async def list_editors(context: Context, arguments: argparse.Namespace) -> list[Output]:
    async with context.store.reading() as connection:
        return [as_output(found) for found in await queries.editors(connection, archived=arguments.archived)]


async def show(context: Context, arguments: argparse.Namespace) -> Output:
    """Returns an editor with its tokens and the number of its delegations. Raises `UnknownRecord` for an unknown id."""
    async with context.store.reading() as connection:
        found = await queries.editor(connection, arguments.id)
        tokens = await queries.editor_tokens(connection, editor=found.id)
        delegations = await queries.count_delegations(connection, found.id)
    return as_output(found) | {"tokens": [as_output(token) for token in tokens], "delegations": delegations}


async def update(context: Context, arguments: argparse.Namespace) -> Output:
    """Changes the fields of an editor that are given as options, and returns the editor. Raises `UnknownRecord` for an
    unknown id, `StaleVersion` for an outdated `--version`, and `InvalidFields` for wrong fields."""
    return await _change(context, arguments, **given_fields(arguments, Editor))


async def archive(context: Context, arguments: argparse.Namespace) -> Output:
    """Archives an editor, so that gateways refuse its tokens, and returns the editor. `--undo` makes the editor active
    again."""
    return await _change(context, arguments, state="active" if arguments.undo else "archived")


async def issue(context: Context, arguments: argparse.Namespace) -> Output:
    """Issues a token of an editor for 18 months, and returns the token with its signed text (`jwt`). Raises
    `RefusalError` if the editor is archived."""
    issued = await _own(context).issue(author_of(arguments), arguments.editor, **given_fields(arguments, EditorToken))
    return as_output(issued.token) | {"jwt": issued.jwt}


async def list_tokens(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Returns the tokens of all editors, or of `--editor`, sorted by expiry. With `--expiring-within DAYS`, returns
    only tokens in force that expire within this number of days."""
    days = arguments.expiring_within
    expiring = None if days is None else registry_queries.within(context.clock(), days)
    async with context.store.reading() as connection:
        return [
            as_output(token)
            for token in await queries.editor_tokens(connection, editor=arguments.editor, expiring=expiring)
        ]


async def show_token(context: Context, arguments: argparse.Namespace) -> Output:
    """Returns a token of an editor. `notices_sent` lists the warnings sent before its expiry: 30 means 30 days before.
    With `--reveal`, also returns the token's signed text (`jwt`), and records who has seen the text."""
    async with context.store.reading() as connection:
        token = await queries.editor_token(connection, arguments.id)
        output = as_output(token) | {"notices_sent": await queries.notices_of(connection, token)}
    if arguments.reveal:
        output["jwt"] = await _own(context).text(author_of(arguments), arguments.id)
    return output


async def update_token(context: Context, arguments: argparse.Namespace) -> Output:
    """Changes the label or the allowed addresses of an editor's token, and returns the token. Raises `UnknownRecord`
    for an unknown id, `StaleVersion` for an outdated `--version`, and `InvalidFields` for a wrong label or address."""
    fields = given_fields(arguments, EditorToken)
    return as_output(await _own(context).change_token(author_of(arguments), arguments.id, arguments.version, **fields))


async def prolong(context: Context, arguments: argparse.Namespace) -> Output:
    """Moves the expiry of an editor's token to 18 months from now, and returns the token. A blacklisted token stays
    blacklisted."""
    return as_output(await _own(context).prolong(author_of(arguments), arguments.id, arguments.version))


async def rotate(context: Context, arguments: argparse.Namespace) -> Output:
    """Replaces an editor's token by a new one, and returns the new token with its signed text (`jwt`). Gateways accept
    the old token for `--grace-hours` more hours, until `former_until` in the result."""
    grace = timedelta(hours=arguments.grace_hours)
    made = await _own(context).rotate(author_of(arguments), arguments.id, arguments.version, grace)
    return as_output(made.token) | {"former_until": as_output(made.former)["blacklisted_at"], "jwt": made.jwt}


async def revoke(context: Context, arguments: argparse.Namespace) -> Output:
    """Blacklists an editor's token, at once or from the time `--at`, and returns the token. If the token is blacklisted
    already, raises `RefusalError` unless `--at` is earlier."""
    own = _own(context)
    return as_output(
        await own.revoke(author_of(arguments), arguments.id, arguments.version, arguments.reason, arguments.at)
    )


async def delegate(context: Context, arguments: argparse.Namespace) -> Output:
    """Delegates a habilitation to an editor, and returns the delegation. Raises `RefusalError` unless both are active
    and the editor accepts delegations. Raises `Conflict` if this editor has the delegation already."""
    return as_output(await _own(context).delegate(author_of(arguments), arguments.editor, arguments.habilitation))


async def list_delegations(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Returns the delegations, newest first. Revoked ones are included only with `--revoked`."""
    async with context.store.reading() as connection:
        found = await queries.delegations(
            connection, editor=arguments.editor, habilitation=arguments.habilitation, revoked=arguments.revoked
        )
    return [as_output(one) for one in found]


async def show_delegation(context: Context, arguments: argparse.Namespace) -> Output:
    """Returns a delegation with its history: who created and revoked it, when and why. Raises `UnknownRecord` for an
    unknown id."""
    async with context.store.reading() as connection:
        return as_output(await queries.delegation(connection, arguments.id))


async def withdraw(context: Context, arguments: argparse.Namespace) -> Output:
    """Revokes a delegation, and returns the delegation. Raises `RefusalError` if the delegation is revoked already."""
    return as_output(await _own(context).withdraw(author_of(arguments), arguments.id, arguments.version))


async def _change(context: Context, arguments: argparse.Namespace, **fields: Any) -> Output:
    return as_output(await _own(context).change(author_of(arguments), arguments.id, arguments.version, **fields))


def _own(context: Context) -> EditorAdministration:
    return editor_administration_of(context.administration)


def add_commands(subparsers: Any) -> None:
    """Adds the subcommands `editor`, `editor-token` and `delegation` to the parser of `bouquet-registry`."""
    group = add_command_group(subparsers, "editor", "administer software editors, which call for administrations")
    command = add_subcommand(group, "create", create, "create an editor")
    _add_editor_fields(command, required=True)
    command = add_subcommand(group, "list", list_editors, "list editors")
    command.add_argument("--archived", action="store_true", help="also list archived ones")
    command = add_subcommand(group, "show", show, "show an editor and its tokens")
    command.add_argument("id")
    command = add_subcommand(group, "update", update, "change an editor; its tokens follow everywhere within 5 s")
    add_target(command)
    _add_editor_fields(command, required=False)
    command = add_subcommand(group, "archive", archive, "archive an editor: its tokens are refused")
    add_target(command)
    command.add_argument("--undo", action="store_true", help="make the editor active again")

    group = add_command_group(subparsers, "editor-token", "administer the access tokens of editors")
    command = add_subcommand(group, "issue", issue, "issue a token for 18 months")
    command.add_argument("editor")
    _add_token_fields(command)
    command = add_subcommand(group, "list", list_tokens, "list tokens of editors")
    command.add_argument("--editor", help="only tokens of this editor")
    command.add_argument(
        "--expiring-within", type=DAYS_ARGUMENT, metavar="DAYS", help="only tokens in force that expire within DAYS"
    )
    command = add_subcommand(group, "show", show_token, "show a token by its id (the claim jti)")
    command.add_argument("id")
    command.add_argument("--reveal", action="store_true", help="also show the signed text")
    command = add_subcommand(group, "update", update_token, "change label or addresses of a token")
    add_target(command)
    _add_token_fields(command)
    command = add_subcommand(group, "prolong", prolong, "move the expiry of a token to 18 months from now")
    add_target(command)
    command = add_subcommand(
        group, "rotate", rotate, "issue a token in place of another, which is refused after a while"
    )
    add_target(command)
    grace = "hours that the former token stays valid (24)"
    command.add_argument("--grace-hours", type=whole_number_argument(0, 8760), default=24, help=grace)
    command = add_subcommand(group, "revoke", revoke, "blacklist a token; it is refused everywhere within 5 s")
    add_target(command)
    command.add_argument("--reason", required=True)
    command.add_argument("--at", type=time_argument, help="time of the revocation, 2027-01-31T12:00+01:00 (now)")

    group = add_command_group(
        subparsers, "delegation", "administer delegations: which editor may call with which habilitation"
    )
    command = add_subcommand(group, "create", delegate, "delegate a habilitation to an editor")
    command.add_argument("--editor", required=True)
    command.add_argument("--habilitation", required=True)
    command = add_subcommand(group, "list", list_delegations, "list delegations, newest first")
    command.add_argument("--editor", help="only delegations to this editor")
    command.add_argument("--habilitation", help="only delegations of this habilitation")
    command.add_argument("--revoked", action="store_true", help="also list revoked ones")
    command = add_subcommand(group, "show", show_delegation, "show a delegation with its history")
    command.add_argument("id")
    command = add_subcommand(group, "revoke", withdraw, "revoke a delegation; it counts everywhere within 5 s")
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
