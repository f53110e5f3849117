"""Arguments of a tool of the Model Context Protocol: recipient, purpose, and the operation's query parameters."""

from __future__ import annotations

import unicodedata
from collections.abc import Container

import msgspec
from msgspec import Raw, Struct

from bouquet_gateway.errors.problems import Problem
from bouquet_gateway.mcp.tools import MAX_PURPOSE_LENGTH, PURPOSE
from bouquet_gateway.mcp.versions import invalid_params
from bouquet_gateway.public.openapi import RECIPIENT
from bouquet_gateway.single_calls.parameters import Parameters, Value, parameters_of
from bouquet_proto.rules import is_siret

COMMON_ARGUMENTS = frozenset({RECIPIENT.name, PURPOSE})
"""Names of the arguments that every tool takes."""


class Arguments(Struct, frozen=True):
    """Arguments of one call of a tool: the query parameters of its operation, and the purpose of the call."""

    purpose: str | Problem
    """Purpose of the call, or the error for the caller if the purpose is missing or not valid."""
    parameters: Parameters


_arguments = msgspec.json.Decoder(dict[str, Value | None])


def read_arguments(arguments: Raw, names: Container[str]) -> Arguments:
    """Reads the arguments of a tool whose query parameters are `names`. Raises `RpcError` for an unknown name or a
    wrong type."""
    # A value is a text, an integer or a list of such values. An argument that is null counts as absent.
    try:
        given = _arguments.decode(arguments)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise invalid_params("arguments") from None
    if not all(name in names or name in COMMON_ARGUMENTS for name in given):
        raise invalid_params("arguments")
    values = {name: value for name, value in given.items() if value is not None}
    recipient, purpose = values.pop(RECIPIENT.name, ""), values.pop(PURPOSE, "")
    # An invalid recipient is left out, and so refused as a missing one.
    own = recipient if isinstance(recipient, str) and is_siret(recipient) else ""
    return Arguments(purpose_of(purpose), parameters_of(own, values))


def purpose_of(value: Value) -> str | Problem:
    """Returns the stated purpose of a call, without spaces around it. Returns a `Problem` unless it is one line of at
    most 200 characters, with at least one letter from A to Z."""
    # Invisible characters are refused too.
    # Unicode also counts fillers that are shown as blanks among its letters.
    text = value.strip() if isinstance(value, str) else ""
    has_letter = any(character.isascii() and character.isalpha() for character in text)
    is_valid = has_letter and len(text) <= MAX_PURPOSE_LENGTH and not any(map(_is_refused, text))
    return text if is_valid else Problem("mcp_purpose")


def _is_refused(character: str) -> bool:
    category = unicodedata.category(character)
    return category.startswith("C") or category in ("Zl", "Zp")
