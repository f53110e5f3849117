"""What operators do: each command is a function from a store and its arguments to what is shown."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from bouquet_registry import acts, queries, transactions
from bouquet_registry.acts import Author
from bouquet_registry.clock import Clock, utc_now
from bouquet_registry.habilitations import Contact, Delegation, Habilitation, Token
from bouquet_registry.refusals import Conflict
from bouquet_registry.settings import RegistrySettings
from bouquet_registry.store import Store
from bouquet_registry.text import one_line
from bouquet_registry.token_signing import Signer

Shown: TypeAlias = dict[str, Any]
Command: TypeAlias = Callable[["Context", argparse.Namespace], Awaitable[Shown | list[Shown]]]

CONTACT_KINDS = ("demandeur", "contact_metier", "contact_technique")

COLUMNS = (
    *("id", "siret", "at", "name", "state", "expires_at", "blacklisted_at", "last_used_at"),
    *("recipient", "operation", "outcome", "calls", "justificatifs_evites", "left_out"),
    *("author", "act", "target", "reason"),
)
"""What a line shows of a row, where it has it."""


class Context(Struct, frozen=True):
    store: Store
    settings: RegistrySettings
    clock: Clock = utc_now

    async def record(self, given: argparse.Namespace, act: str, target: str = "") -> None:
        """Writes an act that changes nothing. Before its outcome is shown: who reads unrecorded reads nothing."""
        async with self.store.writing() as connection:
            await acts.record(connection, author_of(given), act, target, self.clock())


async def list_acts(context: Context, given: argparse.Namespace) -> list[Shown]:
    async with context.store.reading() as connection:
        return [_plain(act) for act in await acts.acts(connection, target=given.of, most=given.most)]


def author_of(given: argparse.Namespace) -> Author:
    return Author(given.author or acts.operator_name(), given.why)


async def create(context: Context, given: argparse.Namespace) -> Shown:
    async with transactions.begin(context.store, author_of(given), context.clock) as transaction:
        return _plain(await transaction.create(**_fields(given)))


async def list_habilitations(context: Context, given: argparse.Namespace) -> list[Shown]:
    async with context.store.reading() as connection:
        return [_plain(found) for found in await queries.habilitations(connection, archived=given.archived)]


async def show(context: Context, given: argparse.Namespace) -> Shown:
    async with context.store.reading() as connection:
        found = await queries.habilitation(connection, given.id)
        tokens = await queries.tokens(connection, of=found.id)
        return _plain(found) | {"tokens": [_plain(token) for token in tokens]}


async def update(context: Context, given: argparse.Namespace) -> Shown:
    return await _change(context, given, **_fields(given))


async def archive(context: Context, given: argparse.Namespace) -> Shown:
    return await _change(context, given, state="active" if given.undo else "archived")


async def issue(context: Context, given: argparse.Namespace) -> Shown:
    signer = Signer(context.settings.signing_key)
    async with transactions.begin(context.store, author_of(given), context.clock) as transaction:
        habilitation = await queries.habilitation(transaction.connection, given.habilitation)
        token = await transaction.issue(habilitation)
        return _plain(token) | {"jwt": signer.sign(token, habilitation)}


async def show_token(context: Context, given: argparse.Namespace) -> Shown:
    async with context.store.reading() as connection:
        token = await queries.token(connection, given.id)
        shown = _plain(token) | {"notices_sent": await queries.notices_of(connection, token)}
        if given.reveal:
            habilitation = await queries.habilitation(connection, token.habilitation)
            shown["jwt"] = Signer(context.settings.signing_key).sign(token, habilitation)
    if given.reveal:
        await context.record(given, "token reveal", token.id)
    return shown


async def list_tokens(context: Context, given: argparse.Namespace) -> list[Shown]:
    days = given.expiring_within
    between = None if days is None else queries.within(context.clock(), days)
    async with context.store.reading() as connection:
        return [_plain(token) for token in await queries.tokens(connection, of=given.habilitation, between=between)]


async def prolong(context: Context, given: argparse.Namespace) -> Shown:
    token = await _read_token(context, given)
    async with transactions.begin(context.store, author_of(given), context.clock) as transaction:
        return _plain(await transaction.prolong(token))


async def revoke(context: Context, given: argparse.Namespace) -> Shown:
    token = await _read_token(context, given)
    async with transactions.begin(context.store, author_of(given), context.clock) as transaction:
        return _plain(await transaction.revoke(token, given.reason, given.at))


async def _change(context: Context, given: argparse.Namespace, **fields: Any) -> Shown:
    """Read before the transaction, as an operator reads before deciding: who changes it in between wins."""
    async with context.store.reading() as connection:
        found = await queries.habilitation(connection, given.id)
    _check_version(found, given)
    async with transactions.begin(context.store, author_of(given), context.clock) as transaction:
        return _plain(await transaction.change(found, **fields))


async def _read_token(context: Context, given: argparse.Namespace) -> Token:
    async with context.store.reading() as connection:
        token = await queries.token(connection, given.id)
    _check_version(token, given)
    return token


def _check_version(found: Habilitation | Token, given: argparse.Namespace) -> None:
    if given.version not in (None, found.version):
        raise Conflict(f"{found.id} is at version {found.version}, not {given.version}: nothing was done")


def add_to(nouns: Any) -> None:
    """The subcommands of operators, beside those of `__main__`."""
    verbs = verbs_of(nouns, "habilitation", "who may ask for what")
    command = verb_of(verbs, "create", create, "write one down")
    _add_fields(command, required=True)
    command = verb_of(verbs, "list", list_habilitations, "all of them")
    command.add_argument("--archived", action="store_true", help="those that are archived too")
    command = verb_of(verbs, "show", show, "one, with its tokens")
    command.add_argument("id")
    command = verb_of(verbs, "update", update, "change it; what its tokens allow changes everywhere within 5 s")
    _add_target(command)
    _add_fields(command, required=False)
    command = verb_of(verbs, "archive", archive, "end it: its tokens are refused")
    _add_target(command)
    command.add_argument("--undo", action="store_true", help="bring it back")

    verbs = verbs_of(nouns, "token", "what a habilitation calls with")
    command = verb_of(verbs, "issue", issue, "make one, for 18 months")
    command.add_argument("habilitation")
    command = verb_of(verbs, "show", show_token, "one, by its id (the claim jti)")
    command.add_argument("id")
    command.add_argument("--reveal", action="store_true", help="with its signed text")
    command = verb_of(verbs, "prolong", prolong, "18 months from now")
    _add_target(command)
    command = verb_of(verbs, "revoke", revoke, "put it on the blacklist; refused everywhere within 5 s")
    _add_target(command)
    command.add_argument("--reason", required=True)
    command.add_argument("--at", type=moment, help="not now but then: 2027-01-31T12:00+01:00")
    command = verb_of(verbs, "list", list_tokens, "all of them")
    command.add_argument("--habilitation", help="those of one habilitation")
    command.add_argument(
        "--expiring-within", type=int, metavar="DAYS", help="those in force that end within so many days"
    )

    verbs = verbs_of(nouns, "act", "what administrators did")
    command = verb_of(verbs, "list", list_acts, "the newest acts: who did what, when, on what, and why")
    command.add_argument("--of", metavar="ID", help="those on one habilitation or token")
    command.add_argument("--most", type=int, default=100, help="how many (100)")


def verbs_of(nouns: Any, name: str, help_: str) -> Any:
    return nouns.add_parser(name, help=help_).add_subparsers(required=True, metavar="COMMAND")


def verb_of(verbs: Any, name: str, command: Command, help_: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = verbs.add_parser(name, help=help_, description=help_)
    made.add_argument("--json", action="store_true", help="for programs")
    made.add_argument("--author", help="name of the person who acts, for the record of acts (the system's user)")
    made.add_argument("--why", default="", help="reason of the act, for the record of acts")
    made.set_defaults(operation=command)
    return made


def _add_target(command: argparse.ArgumentParser) -> None:
    command.add_argument("id")
    command.add_argument("--version", type=int, help="only if it is still the version that you have seen")


def _add_fields(command: argparse.ArgumentParser, *, required: bool) -> None:
    """Lists replace what was there; without values they empty it."""
    command.add_argument("--siret", required=required, help="of the administration that holds it")
    command.add_argument("--name", help="of that administration")
    command.add_argument("--purpose")
    command.add_argument("--scopes", nargs="*")
    command.add_argument("--modalities", nargs="*", help="params, france_connect, …")
    command.add_argument("--contacts", nargs="*", type=_contact, metavar="KIND:EMAIL[:NAME]", help=f"{CONTACT_KINDS}")
    command.add_argument("--calls-per-minute", type=int, help="a limit of its own for each token; 0 is none")
    command.add_argument("--allowed-ips", nargs="*", metavar="IP[/BITS]")
    command.add_argument("--delegations", nargs="*", type=_delegation, metavar="SIRET[:NAME]", help="editors")
    command.add_argument("--datapass-id")


def _fields(given: argparse.Namespace) -> Shown:
    """Those that were given."""
    own = {name: value for name, value in vars(given).items() if name in Habilitation.__struct_fields__}
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in own.items()}
    return {name: value for name, value in fields.items() if value is not None and name not in ("id", "version")}


def _contact(text: str) -> Contact:
    kind, _, rest = text.partition(":")
    email, _, name = rest.partition(":")
    if kind not in CONTACT_KINDS:
        raise argparse.ArgumentTypeError(f"KIND is one of {', '.join(CONTACT_KINDS)}")
    return msgspec.convert({"kind": kind, "email": email, "name": name}, Contact)


def _delegation(text: str) -> Delegation:
    siret, _, name = text.partition(":")
    return Delegation(siret, name)


def moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError("needs a time zone")
    return found


def _plain(found: Struct) -> Shown:
    return dict(msgspec.to_builtins(found))


def text_of(shown: Shown | list[Shown], *, json: bool) -> str:
    if json:
        return msgspec.json.encode(shown).decode()
    if isinstance(shown, list):
        return "\n".join(_line(row) for row in shown) or "none"
    width = max(map(len, shown))
    return "\n".join(f"{name:{width}}  {_cell(value)}" for name, value in shown.items())


def _line(row: Shown) -> str:
    return "  ".join(_cell(row[name]) for name in COLUMNS if name in row)


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
