"""Where a request carries a token, and the token as it is written there (http-contract §2.2)."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Literal
from urllib.parse import unquote_plus

from msgspec import Struct

from bouquet_gateway.call import HttpRequest

BEARER = re.compile(r"Bearer (\S.*)", re.DOTALL)


class Credential(Struct, frozen=True):
    place: Literal["bearer", "api_key", "query", "nowhere"] = "nowhere"
    text: str = ""


def credential_of(request: HttpRequest) -> Credential:
    """Returns the first that is there, on every version: bearer, API key, query. `Bearer` is case-sensitive."""
    if bearer := BEARER.fullmatch(request.authorization):
        return Credential("bearer", bearer[1])
    if request.api_key:
        return Credential("api_key", request.api_key)
    return credential_in_query(request.raw_query)


def credential_in_query(raw_query: str) -> Credential:
    """Reads the last `token` parameter, as of any parameter (http-contract §0). The contract's `Query` does not keep
    values as long as a token."""
    for pair in reversed(raw_query.split("&")):
        name, _, value = pair.partition("=")
        if unquote_plus(name) == "token":
            return Credential("query", unquote_plus(value)) if value else Credential()
    return Credential()


def hash_of(text: str) -> bytes:
    """SHA-256 of a token or of its id."""
    return sha256(text.encode(errors="surrogateescape")).digest()
