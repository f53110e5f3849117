"""Query parameters of the calls that the gateway itself makes. It makes them for a dossier (several lookups in one
request), or for a tool of the Model Context Protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, TypeAlias
from urllib.parse import quote_plus

from msgspec import Meta, Struct

from bouquet_proto.query import Query, query_of_values

MAX_INTEGER = 10**15

Integer: TypeAlias = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
Value: TypeAlias = str | Integer | list[str | Integer]
"""Value of a query parameter. A list stands for a repeated parameter: the query contains `name[]=…` once for each
item."""
Values: TypeAlias = Mapping[str, Value]


class Parameters(Struct, frozen=True):
    """Query parameters of one call, as the raw query string and in parsed form."""

    raw_query: str
    """Query string of the call. Equal parameters give equal strings, so that identical calls can be recognized."""
    query: Query


def parameters_of(recipient: str, values: Values, quote: Callable[[str], str] = quote_plus) -> Parameters:
    """Returns the query parameters of one call: `recipient`, then `values` sorted by name. `recipient` is the SIRET of
    the administration that receives the data. `quote` percent-encodes a value for the query string."""
    # Names need no encoding: the caller has checked that they are names of parameters.
    texts: dict[str, str | list[str]] = {"recipient": recipient}
    pairs = [f"recipient={recipient}"]
    for name, value in sorted(values.items()):
        if isinstance(value, list):
            texts[name] = items = [str(item) for item in value]
            pairs += [f"{name}[]={quote(item)}" for item in items]
        else:
            texts[name] = text = str(value)
            pairs.append(f"{name}={quote(text)}")
    return Parameters("&".join(pairs), query_of_values(texts))
