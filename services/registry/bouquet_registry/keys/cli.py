"""The commands `bouquet-registry key`, which list and withdraw the keys that sign tokens, and sign tokens again."""

from __future__ import annotations

import argparse
from typing import Any

from bouquet_registry.cli import Context, Output, add_command_group, add_subcommand, as_output, author_of
from bouquet_registry.keys.administration import KeyAdministration


async def list_keys(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Returns the key that signs tokens now, the keys that have signed tokens in force, and the withdrawn keys. Each
    key is shown with the number of its tokens in force."""
    return [as_output(key) for key in await _own(context).keys()]


async def list_tokens(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Returns the tokens in force that the given key has signed. Includes tokens whose signing key is unknown."""
    return [as_output(token) for token in await _own(context).tokens(arguments.kid)]


async def withdraw(context: Context, arguments: argparse.Namespace) -> Output:
    """Withdraws a key, so that gateways refuse every token text that it has signed, and returns the key. Raises
    `RefusalError` if the key is withdrawn already."""
    return as_output(await _own(context).withdraw(author_of(arguments), arguments.kid))


async def restore(context: Context, arguments: argparse.Namespace) -> Output:
    """Ends the withdrawal of a key, so that gateways accept its tokens again, and returns the key. Raises
    `UnknownRecord` if the key is not withdrawn."""
    return as_output(await _own(context).restore(author_of(arguments), arguments.kid))


async def reissue(context: Context, arguments: argparse.Namespace) -> list[Output]:
    """Signs again, with the current key, the tokens in force that another key has signed. Includes tokens whose signing
    key is unknown. Returns the tokens with their new signed texts (`jwt`). Raises `RefusalError` if the given key is
    the current one, or if the current key is withdrawn."""
    made = await _own(context).reissue(author_of(arguments), arguments.kid)
    return [as_output(one.token) | {"jwt": one.jwt} for one in made]


def _own(context: Context) -> KeyAdministration:
    return KeyAdministration(context.administration)


def add_commands(subparsers: Any) -> None:
    """Adds the subcommand `key` to the parser of `bouquet-registry`."""
    group = add_command_group(subparsers, "key", "withdraw keys that sign tokens, and sign tokens again")
    add_subcommand(group, "list", list_keys, "list the keys that have signed tokens")
    for name, command, help_ in (
        ("tokens", list_tokens, "list the tokens in force that a key has signed, or may have signed"),
        ("withdraw", withdraw, "withdraw a key: the texts that it has signed are refused everywhere within 5 s"),
        ("restore", restore, "end the withdrawal of a key: its tokens are accepted again"),
        ("reissue", reissue, "sign the tokens of a key again with the present key, and show their texts"),
    ):
        subcommand = add_subcommand(group, name, command, help_)
        subcommand.add_argument(
            "kid", metavar="KID", help="name of the key (kid); '' for a shared secret without a name"
        )
