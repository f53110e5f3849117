"""Recorded cases: their status and body to the letter, but for the fields that the caller's scopes do not open."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from bouquet_gateway.errors.problems import longest_wait
from bouquet_gateway.lookup.scope_filter import open_fields
from bouquet_gateway.offers.catalogue import Served
from bouquet_gateway.paths import envelope_of
from bouquet_proto.messages import Recorded


class _Meta(Struct, frozen=True):
    retry_in: int | None = None


class _Error(Struct, frozen=True):
    meta: _Meta = _Meta()


class _Errors(Struct, frozen=True):
    errors: tuple[_Error, ...] = ()


_envelope = msgspec.json.Decoder(dict[str, Raw])


def body_of(case: Recorded, served: Served, scopes: frozenset[str]) -> bytes:
    return bytes(_filtered(case, served, scopes) if case.status == 200 else case.body)


def retry_after_of(case: Recorded) -> int | None:
    """Seconds, where an error of the case says when to ask again, as production's own errors do."""
    try:
        told = msgspec.json.decode(case.body, type=_Errors) if case.status >= 400 else _Errors()
    except msgspec.DecodeError:  # of version 2, or in other words
        return None
    return longest_wait(one.meta.retry_in for one in told.errors)


def _filtered(case: Recorded, served: Served, scopes: frozenset[str]) -> Raw:
    operation = served.operation
    if envelope_of(operation.path) == "v2":
        return open_fields(case.body, operation, scopes)
    members = _envelope.decode(case.body)
    if "data" in members:
        members["data"] = open_fields(members["data"], operation, scopes)
    return Raw(msgspec.json.encode(members))
