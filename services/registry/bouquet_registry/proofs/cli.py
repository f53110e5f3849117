"""The commands `bouquet-registry proof`, which revoke proofs: encrypted texts by which anyone can verify later what an
answer said."""

from __future__ import annotations

import argparse
from typing import Any

from bouquet_registry.cli import Context, Shown, author_of, plain, verb_of, verbs_of
from bouquet_registry.proofs import administration


async def list_revoked(context: Context, given: argparse.Namespace) -> list[Shown]:
    """Returns the revoked proofs, the latest revocation first. A proof is an encrypted text by which anyone can verify
    later what an answer said."""
    async with context.store.reading() as connection:
        return [plain(one) for one in await administration.revoked_proofs(connection)]


async def revoke(context: Context, given: argparse.Namespace) -> Shown:
    """Revokes a proof (encrypted text by which anyone can verify later what an answer said) for ever. Returns it with
    the time of its revocation. Raises `Invalid` without a reason (`--why`), and `Conflict` if the proof is revoked
    already."""
    return plain(await administration.revoke(context.administration, author_of(given), given.record))


def add_to(nouns: Any) -> None:
    """Adds the subcommand `proof` to `nouns`, the subcommands of `bouquet-registry`."""
    verbs = verbs_of(nouns, "proof", "revoke the proofs of answers")
    verb_of(verbs, "list", list_revoked, "list the revoked proofs")
    command = verb_of(verbs, "revoke", revoke, "revoke a proof for ever: its verification says so; requires --why")
    command.add_argument(
        "record", metavar="ENTRY", help="id of the entry in the access journal, which the verification shows"
    )
