"""Credential of a request, by which the caller is authenticated: bearer token, API key or `token` parameter
(docs/reference/contract.md §2.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Literal
from urllib.parse import unquote_plus

from msgspec import Struct

from bouquet_gateway.call import HttpRequest

BEARER = re.compile(r"Bearer (\S.*)", re.DOTALL)
"""Pattern of an `Authorization` header with a bearer token. `Bearer` is case-sensitive."""


class Credential(Struct, frozen=True):
    """Text by which a request authenticates its caller, such as a token, and the text's place in the request. Without a
    credential, the text is empty, and the place is `nowhere`."""

    place: Literal["bearer", "api_key", "query", "nowhere"] = "nowhere"
    text: str = ""


NO_CREDENTIAL = Credential()

CACHED_IDS = 10_000
"""Largest number of hashes of token and habilitation ids that one process keeps in memory."""
# Calls are counted under these hashes.


def credentials_of(request: HttpRequest) -> Iterator[Credential]:
    """Yields the credentials of a request in the order in which they are tried: bearer token, API key, `token`
    parameter."""
    if bearer := BEARER.fullmatch(request.authorization):
        yield Credential("bearer", bearer[1])
    if request.api_key:
        yield Credential("api_key", request.api_key)
    if text := _query_token(request.raw_query):
        yield Credential("query", text)


def _query_token(raw_query: str) -> str:
    """Returns the last value of the `token` parameter in the query, or "" if there is none (docs/reference/contract.md
    §0)."""
    # Not read through the contract's `Query`, which drops values as long as a token.
    for pair in reversed(raw_query.split("&")):
        name, _, value = pair.partition("=")
        if unquote_plus(name) == "token":
            return unquote_plus(value)
    return ""


@lru_cache(maxsize=CACHED_IDS)
def digest_of_id(id: str) -> str:
    """Returns the SHA-256, in hexadecimal, of the id of a token or a habilitation. Calls are counted under this
    digest."""
    # Not for the text of a credential, which the cache would keep in memory.
    return hash_of(id).hex()


def hash_of(text: str) -> bytes:
    return sha256(text.encode(errors="surrogateescape")).digest()
