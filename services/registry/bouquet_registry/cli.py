"""The commands `bouquet-registry habilitation`, `token` and `act`, for operators. Each subcommand is a function, which
returns the result to print."""

from __future__ import annotations

import argparse
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from bouquet_mesh.control_characters import escape_control_characters
from bouquet_mesh.settings import SettingsError
from bouquet_proto.registry_messages import GroupLimit
from bouquet_registry import acts, queries
from bouquet_registry.acts import Author
from bouquet_registry.administration import Administration
from bouquet_registry.clock import FIRST_YEAR, LAST_YEAR, Clock, utc_now
from bouquet_registry.habilitations import Contact, Habilitation, Person, ServiceProvider
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import Store
from bouquet_registry.text import one_line

Output: TypeAlias = dict[str, Any]
Command: TypeAlias = Callable[["Context", argparse.Namespace], Awaitable[Output | list[Output]]]

CONTACT_KINDS = ("demandeur", "contact_metier", "contact_technique")
"""Kinds of contact person that the option `--contacts` accepts."""

MISSING = "is required: each act names its author and its reason"

PRINTED_FIELDS = (
    *("kid", "is_current", "tokens", "withdrawn_at", "withdrawn_by", "withdrawn_why"),
    *("id", "siret", "at", "name", "state", "expires_at", "blacklisted_at", "last_used_at"),
    *("recipient", "operation", "outcome", "calls", "justificatifs_evites", "left_out"),
    *("editor_name", "created_at", "created_by", "revoked_at", "revoked_by"),
    *("record", "revoked_why"),
    *("digest", "received_at", "dialect", "token_id"),
    *("line", "kind", "warning"),
    *("author", "act", "target", "reason"),
    *("is_recorded", "jwt"),
)
"""Fields that a command may show in a printed list, in this order."""


class Context(Struct, frozen=True):
    """Database, settings and clock with which an administration command works."""

    store: Store
    settings: RegistrySettings
    clock: Clock = utc_now

    @property
    def administration(self) -> Administration:
        return Administration(self.store, self.settings.signing_key, self.clock)

    async def record(self, arguments: argparse.Namespace, act: str, target: str = "") -> None:
        """Records an administrative act (who did what), for a command whose work does not record one itself. `act` is
        the name of the act, such as `journal who-read`, and `target` the id of the record that it concerns."""
        # The act must be stored before the command shows its result.
        await self.administration.record(author_of(arguments), act, target)


async def list_acts(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Returns the newest administrative acts, at most `--most` of them. With `--of ID`, only acts on that record."""
    async with context.store.reading() as connection:
        return [as_output(act) for act in await acts.acts(connection, target=arguments.of, limit=arguments.most)]


def author_of(arguments: argparse.Namespace) -> Author:
    """Returns who runs a command (`--author`, by default the login name) and why (`--why` or, for a revocation,
    `--reason`). Raises `SettingsError` if the name or the reason is missing or blank."""
    name = one_line(acts.operator_name() if arguments.author is None else arguments.author)
    reason = one_line(arguments.why or vars(arguments).get("reason", ""))
    if problems := [f"{option}: {MISSING}" for option, text in (("--author", name), ("--why", reason)) if not text]:
        raise SettingsError(problems)
    return Author(name, reason)


async def create(context: Context, arguments: argparse.Namespace) -> Output:
    """Creates a habilitation with the fields that are given as options, and returns the habilitation. Raises
    `InvalidFields` for wrong fields, and `Conflict` if another habilitation has the same `datapass_id`."""
    fields = given_fields(arguments, Habilitation)
    return as_output(await context.administration.create(author_of(arguments), unchecked=arguments.force, **fields))


async def list_habilitations(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Returns the habilitations. Archived ones are included only with `--archived`."""
    async with context.store.reading() as connection:
        return [as_output(found) for found in await queries.habilitations(connection, archived=arguments.archived)]


async def show(context: Context, arguments: argparse.Namespace) -> Output:
    """Returns a habilitation with its tokens. Raises `UnknownRecord` for an unknown id."""
    async with context.store.reading() as connection:
        found = await queries.habilitation(connection, arguments.id)
        tokens = await queries.tokens(connection, habilitation=found.id)
        return as_output(found) | {"tokens": [as_output(token) for token in tokens]}


async def update(context: Context, arguments: argparse.Namespace) -> Output:
    """Changes the fields of a habilitation that are given as options, and returns the habilitation. Raises
    `UnknownRecord` for an unknown id, and `StaleVersion` for an outdated `--version`. Raises `InvalidFields` for wrong
    fields, and `Conflict` if another habilitation has the same `datapass_id`."""
    fields = given_fields(arguments, Habilitation)
    own, author = context.administration, author_of(arguments)
    return as_output(await own.change(author, arguments.id, arguments.version, unchecked=arguments.force, **fields))


async def archive(context: Context, arguments: argparse.Namespace) -> Output:
    """Archives a habilitation, so that gateways refuse its tokens; with `--undo`, makes the habilitation active again.
    Returns the habilitation."""
    state = "active" if arguments.undo else "archived"
    return as_output(
        await context.administration.change(author_of(arguments), arguments.id, arguments.version, state=state)
    )


async def issue(context: Context, arguments: argparse.Namespace) -> Output:
    """Issues a token of a habilitation for 18 months, and returns the token with its signed text (`jwt`). Raises
    `RefusalError` if the habilitation is not active."""
    issued = await context.administration.issue(author_of(arguments), arguments.habilitation, mcp=arguments.mcp)
    return as_output(issued.token) | {"jwt": issued.jwt}


async def show_token(context: Context, arguments: argparse.Namespace) -> Output:
    """Returns a token. `notices_sent` lists the warnings sent before its expiry: 30 means 30 days before. With
    `--reveal`, also returns the token's signed text (`jwt`), and records who has seen the text."""
    async with context.store.reading() as connection:
        token = await queries.token(connection, arguments.id)
        output = as_output(token) | {"notices_sent": await queries.notices_of(connection, token)}
    if arguments.reveal:
        output["jwt"] = await context.administration.text(author_of(arguments), token.id)
    return output


async def list_tokens(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Returns the tokens of all habilitations, or of `--habilitation`, sorted by expiry. With `--expiring-within DAYS`,
    returns only tokens in force that expire within this number of days."""
    days = arguments.expiring_within
    expiring = None if days is None else queries.within(context.clock(), days)
    async with context.store.reading() as connection:
        return [
            as_output(token)
            for token in await queries.tokens(connection, habilitation=arguments.habilitation, expiring=expiring)
        ]


async def prolong(context: Context, arguments: argparse.Namespace) -> Output:
    """Moves the expiry of a token to 18 months from now, and returns the token. A blacklisted token stays
    blacklisted."""
    return as_output(await context.administration.prolong(author_of(arguments), arguments.id, arguments.version))


async def revoke(context: Context, arguments: argparse.Namespace) -> Output:
    """Blacklists a token, at once or from the time `--at`, and returns the token. Raises `RefusalError` if a
    blacklisting in effect would move to a later time."""
    own = context.administration
    return as_output(
        await own.revoke(author_of(arguments), arguments.id, arguments.version, arguments.reason, arguments.at)
    )


async def set_mcp(context: Context, arguments: argparse.Namespace) -> Output:
    """Sets the flag `mcp` of a token, which allows its use with the Model Context Protocol; with `--undo`, clears the
    flag. Returns the token."""
    own = context.administration
    return as_output(await own.set_mcp(author_of(arguments), arguments.id, arguments.version, mcp=not arguments.undo))


def add_commands(subparsers: Any) -> None:
    """Adds the subcommands `habilitation`, `token` and `act` to the parser of `bouquet-registry`."""
    group = add_command_group(
        subparsers, "habilitation", "administer habilitations: which administration may call what"
    )
    command = add_subcommand(group, "create", create, "create a habilitation")
    _add_fields(command, required=True)
    command = add_subcommand(group, "list", list_habilitations, "list habilitations")
    command.add_argument("--archived", action="store_true", help="also list archived ones")
    command = add_subcommand(group, "show", show, "show a habilitation and its tokens")
    command.add_argument("id")
    command = add_subcommand(group, "update", update, "change a habilitation; its tokens follow everywhere within 5 s")
    add_target(command)
    _add_fields(command, required=False)
    command = add_subcommand(group, "archive", archive, "archive a habilitation: its tokens are refused")
    add_target(command)
    command.add_argument("--undo", action="store_true", help="make the habilitation active again")

    group = add_command_group(subparsers, "token", "administer the access tokens of habilitations")
    command = add_subcommand(group, "issue", issue, "issue a token for 18 months")
    command.add_argument("habilitation")
    command.add_argument("--mcp", action="store_true", help="let the token be used with the Model Context Protocol")
    command = add_subcommand(group, "show", show_token, "show a token by its id (the claim jti)")
    command.add_argument("id")
    command.add_argument("--reveal", action="store_true", help="also show the signed text")
    command = add_subcommand(group, "prolong", prolong, "move the expiry of a token to 18 months from now")
    add_target(command)
    command = add_subcommand(group, "revoke", revoke, "blacklist a token; it is refused everywhere within 5 s")
    add_target(command)
    command.add_argument("--reason", required=True)
    command.add_argument("--at", type=time_argument, help="time of the revocation, 2027-01-31T12:00+01:00 (now)")
    command = add_subcommand(group, "mcp", set_mcp, "let a token be used with the Model Context Protocol")
    add_target(command)
    command.add_argument("--undo", action="store_true", help="end that use of the token")
    command = add_subcommand(group, "list", list_tokens, "list tokens")
    command.add_argument("--habilitation", help="only tokens of this habilitation")
    command.add_argument(
        "--expiring-within", type=DAYS_ARGUMENT, metavar="DAYS", help="only tokens in force that expire within DAYS"
    )

    group = add_command_group(subparsers, "act", "read the record of administrative acts")
    command = add_subcommand(group, "list", list_acts, "list the newest acts: who did what, when, to what, and why")
    command.add_argument("--of", metavar="ID", help="only acts on this habilitation, token, editor or delegation")
    command.add_argument(
        "--most", type=whole_number_argument(1, 100_000), default=100, help="greatest number of acts (100)"
    )


def add_command_group(subparsers: Any, name: str, help_: str) -> Any:
    """Adds the subcommand `name`, such as `token`, to the parser of `bouquet-registry`. Returns the argparse object to
    which commands such as `token issue` are added."""
    return subparsers.add_parser(name, help=help_).add_subparsers(required=True, metavar="COMMAND")


def add_subcommand(group: Any, name: str, command: Command, help_: str) -> argparse.ArgumentParser:
    """Adds the subcommand `name` to `group`, such as `issue` to the subcommands of `token`. The new subcommand runs the
    function `command`, and has the options `--json`, `--author` and `--why`. Returns its parser."""
    made: argparse.ArgumentParser = group.add_parser(name, help=help_, description=help_)
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--author", help="name of the person who acts, for the record of acts (login name)")
    made.add_argument("--why", default="", help="reason of the act, for the record of acts; each act needs one")
    made.set_defaults(operation=command)
    return made


def add_target(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of a command that changes a record: the record's id, and the option `--version`."""
    command.add_argument("id")
    command.add_argument("--version", type=int, help="act only if the record still has this version")


def _add_fields(command: argparse.ArgumentParser, *, required: bool) -> None:
    """Adds an option for each field of a habilitation. If a field is a list, the values of the option replace the whole
    list. `required` says whether the user must give `--siret`."""
    command.add_argument("--siret", required=required, help="SIRET of the administration that holds the habilitation")
    command.add_argument("--name", help="name of the administration that holds the habilitation")
    command.add_argument("--purpose")
    command.add_argument("--scopes", nargs="*")
    command.add_argument("--force", action="store_true", help="accept scopes that no provider serves")
    command.add_argument("--modalities", nargs="*", help="params, france_connect, …")
    command.add_argument("--contacts", nargs="*", type=_contact, metavar="KIND:EMAIL[:NAME]", help=f"{CONTACT_KINDS}")
    command.add_argument("--calls-per-minute", type=int, help="rate limit of its own; 0 for none")
    command.add_argument("--calls-per-second", type=int, help="rate limit in place of the common one; 0 for the common")
    limits = "rate limits of groups of operations, such as /v3/dss/=60"
    command.add_argument("--group-limits", nargs="*", type=_group_limit, metavar="PATHS=CALLS_PER_MINUTE", help=limits)
    command.add_argument("--allowed-ips", nargs="*", metavar="IP[/BITS]")
    ine = "whether calls may name a student by INE (purposes of the arrêté of 18 October 2022)"
    command.add_argument("--ine", action=argparse.BooleanOptionalAction, help=ine)
    command.add_argument("--datapass-id")
    command.add_argument("--public-id", help="identifier in the addresses of DataPass's public pages")
    command.add_argument("--form-uid", help="id of the DataPass form of the request")
    command.add_argument("--description", help="longer text about the purpose")
    provider = "software editor named in the request"
    command.add_argument("--service-provider", type=_service_provider, metavar="ID[:TYPE[:SIRET]]", help=provider)
    command.add_argument("--data-protection-officer", type=_person, metavar="EMAIL[:NAME]")


def given_fields(arguments: argparse.Namespace, kind: type[Struct]) -> Output:
    """Returns, by name, the fields of the struct `kind` that the user gave as command-line options. Lists become
    tuples. Leaves out `id`, `version` and `editor`, which select the record instead of changing it."""
    wanted = set(kind.__struct_fields__) - {"id", "version", "editor"}
    own = {name: value for name, value in vars(arguments).items() if name in wanted and value is not None}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in own.items()}


def _contact(text: str) -> Contact:
    kind, _, rest = text.partition(":")
    email, _, name = rest.partition(":")
    if kind not in CONTACT_KINDS:
        raise argparse.ArgumentTypeError(f"KIND is one of {', '.join(CONTACT_KINDS)}")
    return msgspec.convert({"kind": kind, "email": email, "name": name}, Contact)


def _person(text: str) -> Person:
    email, _, name = text.partition(":")
    return Person(email, one_line(name))


def _service_provider(text: str) -> ServiceProvider:
    id_, _, rest = text.partition(":")
    type_, _, siret = rest.partition(":")
    return ServiceProvider(id=one_line(id_), type=one_line(type_), siret=one_line(siret))


def _group_limit(text: str) -> GroupLimit:
    paths, _, calls = text.partition("=")
    return GroupLimit(paths, int(calls))


def time_argument(text: str) -> datetime:
    """Parses an ISO 8601 time with a time zone, in the years `FIRST_YEAR` to `LAST_YEAR`. Raises `ArgumentTypeError`
    for another time, and `ValueError` for a text that is no time."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError("needs a time zone")
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise argparse.ArgumentTypeError(f"is not between the years {FIRST_YEAR} and {LAST_YEAR}")
    return found


def whole_number_argument(least: int, most: int) -> Callable[[str], int]:
    """Returns a function that parses a whole number from `least` to `most`, and raises `ArgumentTypeError` for any
    other text."""

    def parse(text: str) -> int:
        if not (re.fullmatch(r"\d{1,18}", text, re.ASCII) and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"is no whole number from {least} to {most}")
        return int(text)

    return parse


DAYS_ARGUMENT = whole_number_argument(0, 3650)
"""Parser of the option `--expiring-within`: a whole number of days from 0 to 3650."""


def as_output(found: Struct) -> Output:
    return dict(msgspec.to_builtins(found))


def render(output: Output | list[Output], *, json: bool) -> str:
    """Renders the result of a command, as JSON if `json` is true. Otherwise, writes a line for each item of a list, or
    for each field of a record. An empty list becomes `none`."""
    if json:
        return escape_control_characters(msgspec.json.encode(output).decode())
    if isinstance(output, list):
        return "\n".join(_line(row) for row in output) or "none"
    width = max(map(len, output))
    return "\n".join(f"{name:{width}}  {_cell(value)}" for name, value in output.items())


def _line(row: Output) -> str:
    return "  ".join(_cell(row[name]) for name in PRINTED_FIELDS if name in row)


def _cell(value: object) -> str:
    match value:
        case None | "" | [] | ():
            return "-"
        case list() | tuple():
            return ", ".join(map(_cell, value))
        case dict():
            return " ".join(_cell(part) for part in value.values())
        case _:
            return one_line(str(value))
