"""The commands `bouquet-registry proof`, which revoke proofs: encrypted texts by which anyone can verify later what an
answer said."""

from __future__ import annotations

import argparse
from typing import Any

from bouquet_registry.cli import Context, Output, add_command_group, add_subcommand, as_output, author_of
from bouquet_registry.proofs import administration


async def list_revoked(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Returns the revoked proofs, the latest revocation first. A proof is an encrypted text by which anyone can verify
    later what an answer said."""
    async with context.store.reading() as connection:
        return [as_output(one) for one in await administration.revoked_proofs(connection)]


async def revoke(context: Context, arguments: argparse.Namespace) -> Output:
    """Revokes a proof for ever, and returns it with the time of its revocation. A proof is an encrypted text by which
    anyone can verify later what an answer said. Raises `InvalidFields` without a reason (`--why`), and `Conflict` if
    the proof is revoked already."""
    return as_output(await administration.revoke_proof(context.administration, author_of(arguments), arguments.record))


def add_commands(subparsers: Any) -> None:
    """Adds the subcommand `proof` to the parser of `bouquet-registry`."""
    group = add_command_group(subparsers, "proof", "revoke the proofs of answers")
    add_subcommand(group, "list", list_revoked, "list the revoked proofs")
    command = add_subcommand(
        group, "revoke", revoke, "revoke a proof for ever: its verification says so; requires --why"
    )
    command.add_argument(
        "record", metavar="ENTRY", help="id of the entry in the access journal, which the verification shows"
    )
