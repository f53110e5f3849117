"""Query parameters of the calls that the gateway itself makes. Examples are the lookups of a dossier (several lookups
in one request)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, TypeAlias
from urllib.parse import quote_plus

from msgspec import Meta, Struct

from bouquet_proto.query import Query, QueryValue, checked_value

MAX_INTEGER = 10**15

Integer: TypeAlias = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
Value: TypeAlias = str | Integer | tuple[str | Integer, ...]
"""Value of a query parameter. A tuple stands for a repeated parameter: the query contains `name[]=…` once for each
item."""
Values: TypeAlias = Mapping[str, Value]


class Parameters(Struct, frozen=True):
    """Query parameters of one call, as the raw query string and in parsed form."""

    raw_query: str
    """Query string of the call. Equal parameters give equal strings."""
    query: Query


class EncodedParameter(Struct, frozen=True):
    """Query parameter of a call, as text and parsed."""

    text: str
    """Part of the query string, such as `mois=11` or `prenoms[]=Anne&prenoms[]=Rose`."""
    value: QueryValue


def encoded(name: str, value: Value) -> EncodedParameter:
    """Encodes a query parameter. `name` needs no encoding: the caller has checked that it is a parameter's name."""
    if isinstance(value, tuple):
        items = [str(item) for item in value]
        return EncodedParameter("&".join(f"{name}[]={quote_plus(item)}" for item in items), checked_value(items))
    text = str(value)
    return EncodedParameter(f"{name}={quote_plus(text)}", checked_value(text))


def parameters_of(
    recipient: str, values: Values, encode: Callable[[str, Value], EncodedParameter] = encoded
) -> Parameters:
    """Returns the query parameters of one call: `recipient`, then `values` sorted by name. `recipient` is the SIRET of
    the administration that receives the data. `encode` may be a cache of `encoded`, for calls that share values."""
    parameters = {name: encode(name, value) for name, value in sorted(values.items()) if value != ()}
    raw_query = "&".join([f"recipient={recipient}", *[one.text for one in parameters.values()]])
    given = {name: one.value for name, one in parameters.items()}
    return Parameters(raw_query, Query({"recipient": recipient, **given}))
