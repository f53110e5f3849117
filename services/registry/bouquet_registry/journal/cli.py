"""The commands `bouquet-registry journal`, which verify, search, count and prune the access journal."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import uvloop

from bouquet_registry.cli import (
    Context,
    Output,
    add_command_group,
    add_subcommand,
    author_of,
    time_argument,
    whole_number_argument,
)
from bouquet_registry.habilitations import months_later
from bouquet_registry.journal import audit, pseudonym_search, queries, rollups, writer
from bouquet_registry.journal.chain import Link, Row
from bouquet_registry.journal.pseudonym_search import NAMED_BY
from bouquet_registry.refusals import InvalidFields
from bouquet_registry.serve import serve_journal


async def verify(context: Context, arguments: argparse.Namespace) -> Output:
    """Verifies the journal's chain from record `--from` on. Returns the range of verified records (`from`, `head`), and
    the removals of old records (`prunings`). Raises `BrokenChain` for a wrong or missing record, and if the record
    noted as `--head` has changed or is missing."""
    verified = await audit.verify(context.store, arguments.since, arguments.head)
    known = await audit.read_ends(context.store)
    return {
        "whole": True,
        "from": max(arguments.since, known.pruned.number + 1),
        "head": str(verified.head),
        "pruned_to": str(known.pruned),
        "prunings": [_pruning(row) for row in verified.prunings],
    }


def _pruning(row: Row) -> str:
    when = datetime.fromtimestamp(row.access.at, UTC)
    return f"{row.access.pruned_to} at {when:%Y-%m-%dT%H:%M:%SZ}, record {row.link.number}"


async def head(context: Context, _: argparse.Namespace) -> Output:
    """Returns the journal's last record as `head`, and the last removed record as `pruned_to`, each as
    `NUMBER:HASH`."""
    known = await audit.read_ends(context.store)
    return {"head": str(known.head), "pruned_to": str(known.pruned)}


async def prune(context: Context, arguments: argparse.Namespace) -> Output:
    """Removes the oldest records, and stops at the first one dated `--before` or later. Returns the number of removed
    records and both ends of the chain. Notes who did so, as an administrative act."""
    await context.record(arguments, "journal prune")
    pruned = await audit.prune(context.store, arguments.before.timestamp())
    return {"pruned": pruned} | await head(context, arguments)


async def readmit(context: Context, arguments: argparse.Namespace) -> Output:
    """Tries again to read the messages that were unreadable on arrival, and writes the readable ones to the journal.
    Returns how many were readable, and how many remain unreadable. Notes who did so, as an administrative act."""
    await context.record(arguments, "journal readmit")
    readmitted, aside = await writer.readmit(context.store)
    return {"readmitted": readmitted, "aside": aside}


async def who_read(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Returns the calls that asked about a citizen, or whose answers named the citizen. The citizen's identity comes
    from options, JSON on standard input, or prompts. Notes who searched, as an administrative act."""
    author_of(arguments)  # so that nobody types an identity for a command that lacks a reason
    keys = pseudonym_search.keys_of(context.settings.journal_keys)
    parts = {name: " ".join(words) for name, words in vars(arguments).items() if name in IDENTITY_PROMPTS and words}
    identity = pseudonym_search.identity_of(parts or await asyncio.to_thread(_ask_identity))
    await context.record(arguments, "journal who-read")
    async with context.store.reading() as connection:
        return await queries.who_read(connection, pseudonym_search.possible_pseudonyms(keys, identity))


async def request(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Returns the calls with the given id, which is an `X-Request-Id` or the id of a journal record. Returns an empty
    list for an unknown id. Notes who searched, as an administrative act."""
    await context.record(arguments, "journal request")
    async with context.store.reading() as connection:
        return await queries.accesses_of_request(connection, arguments.id)


async def stats(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Returns, for each habilitation, operation and outcome, the number of calls in the last `--months` months. Also
    returns how many supporting documents citizens did not have to supply thanks to these calls. Notes who asked, as an
    administrative act."""
    await context.record(arguments, "journal stats")
    now = context.clock()
    await rollups.roll_up(context.store)
    async with context.store.reading() as connection:
        return await queries.stats(connection, months_later(now, -arguments.months), now, arguments.habilitation)


async def rollup(context: Context, arguments: argparse.Namespace) -> Output:
    """Adds the records that are not counted yet to the roll-ups (counts by hour and day), and returns their number.
    With `--rebuild`, counts all records in the journal again. Notes who did so, as an administrative act."""
    await context.record(arguments, "journal rollup")
    return {"counted": await (rollups.rebuild if arguments.rebuild else rollups.roll_up)(context.store)}


IDENTITY_PROMPTS: dict[str, str] = {
    "nom": "nom de naissance",
    "prenom": "prénom, or all of them",
    "naissance": "date of birth, YYYY-MM-DD",
    "sexe": "M or F",
    "commune": "COG code of the commune of birth",
    "pays": "COG code of the country of birth, 99100 with a commune",
    "ine": "numéro national étudiant",
    "identifiant": "identifiant France Travail, or number of an athlete",
    "numero_allocataire": "numéro d'allocataire",
    "code_postal": "code postal, with the numéro d'allocataire",
}
"""Maps the name of each part of an identity to its label in options and prompts."""


def _ask_identity() -> dict[str, str]:
    """Reads the parts of an identity: from prompts at a terminal, otherwise from standard input as JSON. Returns an
    empty dict if the user types nothing. Raises `InvalidFields` for standard input that is no JSON object of texts."""
    if not sys.stdin.isatty():
        return _read(sys.stdin.buffer.read())
    for name, others in NAMED_BY.items():
        if value := _answer(name):
            return {name: value} | {other: _answer(other) for other in others}
    return {}


def _answer(name: str) -> str:
    print(f"{IDENTITY_PROMPTS[name]}: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def _read(text: bytes) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidFields([f"standard input: must be a JSON object of {', '.join(IDENTITY_PROMPTS)}"]) from None


def add_commands(subparsers: Any) -> None:
    """Adds the subcommand `journal` to the parser of `bouquet-registry`."""
    group = add_command_group(subparsers, "journal", "verify, search and prune the access journal")
    command = group.add_parser("serve", help="write the journal until SIGTERM, if `bouquet-registry serve` does not")
    command.set_defaults(command=_serve)

    command = add_subcommand(
        group, "verify", verify, "verify that no record was changed, removed or added; exit status 1 if one was"
    )
    command.add_argument(
        "--from", type=int, default=1, dest="since", metavar="NUMBER", help="first record to verify (1)"
    )
    command.add_argument(
        "--head",
        type=_link_argument,
        metavar="NUMBER:HASH",
        help="link noted earlier, which must still be in the chain",
    )
    add_subcommand(group, "head", head, "print the link of the last record, to be noted outside of the database")
    command = add_subcommand(group, "prune", prune, "remove the oldest records; the rest still verifies")
    command.add_argument(
        "--before",
        type=time_argument,
        required=True,
        help="remove records of calls before this time: 2027-01-31T00:00+01:00",
    )
    add_subcommand(
        group, "readmit", readmit, "write the unreadable records that were put aside, if this version can read them"
    )

    command = add_subcommand(
        group,
        "who-read",
        who_read,
        "list the calls about a citizen. Without an option it prompts for the identity, or reads JSON on standard "
        "input, because everyone on the machine can see a command line",
    )
    for name, words in IDENTITY_PROMPTS.items():
        command.add_argument(f"--{name.replace('_', '-')}", nargs="+", help=words)
    command = add_subcommand(
        group, "request", request, "show the call with an X-Request-Id, or of the record that a proof names"
    )
    command.add_argument(
        "id", metavar="ID", help="request id, as in the answer's headers and in the logs; or id of a record"
    )
    command = add_subcommand(
        group, "stats", stats, "count calls by habilitation, operation and outcome, and justificatifs évités"
    )
    command.add_argument(
        "--months", type=whole_number_argument(0, 1200), default=2, help="number of months to count (2)"
    )
    command.add_argument("--habilitation", help="only calls of this habilitation")
    command = add_subcommand(group, "rollup", rollup, "count the records that the roll-ups, and so `stats`, lack")
    command.add_argument(
        "--rebuild",
        action="store_true",
        help="count all kept records anew; hours and days with pruned records stay as they are",
    )


def _serve(_: argparse.Namespace, environ: Mapping[str, str]) -> None:
    uvloop.run(serve_journal(environ))


def _link_argument(text: str) -> Link:
    found = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text, re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError("must be NUMBER:HASH, as `journal head` prints it")
    return Link(int(found[1]), found[2])
