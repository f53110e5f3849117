"""Finds the tokens that a request carries: bearer, API key, query (docs/reference/contract.md §2.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Literal
from urllib.parse import unquote_plus

from msgspec import Struct

from bouquet_gateway.call import HttpRequest

BEARER = re.compile(r"Bearer (\S.*)", re.DOTALL)


class Credential(Struct, frozen=True):
    place: Literal["bearer", "api_key", "query", "nowhere"] = "nowhere"
    text: str = ""


NOWHERE = Credential()


def credentials_of(request: HttpRequest) -> Iterator[Credential]:
    """All that a request carries, on every version, in the order in which they are tried: bearer, API key, query.
    `Bearer` is case-sensitive."""
    if bearer := BEARER.fullmatch(request.authorization):
        yield Credential("bearer", bearer[1])
    if request.api_key:
        yield Credential("api_key", request.api_key)
    if text := _in_query(request.raw_query):
        yield Credential("query", text)


def _in_query(raw_query: str) -> str:
    """The last `token` parameter, as of any parameter (docs/reference/contract.md §0). The contract's `Query` does not
    keep values as long as a token."""
    for pair in reversed(raw_query.split("&")):
        name, _, value = pair.partition("=")
        if unquote_plus(name) == "token":
            return unquote_plus(value)
    return ""


def hash_of(text: str) -> bytes:
    """SHA-256 of a token or of its id."""
    return sha256(text.encode(errors="surrogateescape")).digest()
