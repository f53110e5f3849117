"""The commands `bouquet-registry key`, which list and withdraw the keys that sign tokens, and sign tokens again."""

from __future__ import annotations

import argparse
from typing import Any

from bouquet_registry.cli import Context, Shown, author_of, plain, verb_of, verbs_of
from bouquet_registry.keys.administration import KeyAdministration


async def list_keys(context: Context, given: argparse.Namespace) -> list[Shown]:
    """Returns the key that signs tokens now, the keys that have signed tokens in force, and the withdrawn keys. Each is
    shown with the number of tokens in force that it has signed."""
    return [plain(key) for key in await _own(context).keys()]


async def list_tokens(context: Context, given: argparse.Namespace) -> list[Shown]:
    """Returns the tokens in force that the given key has signed. Includes tokens whose signing key is unknown, since
    this key may have signed them."""
    return [plain(token) for token in await _own(context).tokens(given.kid)]


async def withdraw(context: Context, given: argparse.Namespace) -> Shown:
    """Withdraws a key, so that gateways refuse every token text that it has signed, and returns the key. Raises
    `Refused` if the key is withdrawn already."""
    return plain(await _own(context).withdraw(author_of(given), given.kid))


async def restore(context: Context, given: argparse.Namespace) -> Shown:
    """Ends the withdrawal of a key, so that gateways accept its tokens again, and returns the key. Raises `Unknown` if
    the key is not withdrawn."""
    return plain(await _own(context).restore(author_of(given), given.kid))


async def reissue(context: Context, given: argparse.Namespace) -> list[Shown]:
    """Signs again, with the current key, the tokens in force that another key has signed. Includes tokens whose signing
    key is unknown, since that key may have signed them. Returns the tokens with their new signed texts (`jwt`). Raises
    `Refused` if the given key is the current one, or if the current key is withdrawn."""
    made = await _own(context).sign_again(author_of(given), given.kid)
    return [plain(one.token) | {"jwt": one.jwt} for one in made]


def _own(context: Context) -> KeyAdministration:
    return KeyAdministration(context.administration)


def add_to(nouns: Any) -> None:
    """Adds the subcommand `key` to `nouns`, the subcommands of `bouquet-registry`."""
    verbs = verbs_of(nouns, "key", "withdraw keys that sign tokens, and sign tokens again")
    verb_of(verbs, "list", list_keys, "list the keys that have signed tokens")
    for name, command, help_ in (
        ("tokens", list_tokens, "list the tokens in force that a key has signed, or may have signed"),
        ("withdraw", withdraw, "withdraw a key: the texts that it has signed are refused everywhere within 5 s"),
        ("restore", restore, "end the withdrawal of a key: its tokens are accepted again"),
        ("reissue", reissue, "sign the tokens of a key again with the present key, and show their texts"),
    ):
        verb = verb_of(verbs, name, command, help_)
        verb.add_argument("kid", metavar="KID", help="name of the key (kid); '' for a shared secret without a name")
