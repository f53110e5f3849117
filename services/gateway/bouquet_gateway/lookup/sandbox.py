"""Answers of a sandbox (a gateway on which clients test), made from recorded cases without the fields to which the
caller's scopes give no access."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

from bouquet_gateway.errors.problems import longest_wait
from bouquet_gateway.lookup.scope_filter import open_fields
from bouquet_gateway.offers.catalogue import Served
from bouquet_gateway.paths import envelope_of
from bouquet_proto.messages import Recorded

Prove: TypeAlias = Callable[[Raw], Mapping[str, Any]]
"""Function that makes the proof of an answer's data, and returns what is added to `meta` of the answer."""


class _Meta(Struct, frozen=True):
    retry_in: int | None = None


class _Error(Struct, frozen=True):
    meta: _Meta = _Meta()


class _Errors(Struct, frozen=True):
    errors: tuple[_Error, ...] = ()


_envelope = msgspec.json.Decoder(dict[str, Raw])
_meta = msgspec.json.Decoder(dict[str, Any])


def body_of(case: Recorded, served: Served, scopes: frozenset[str], prove: Prove | None = None) -> bytes:
    """Returns the body of a recorded case. If its status is 200, only the fields that `scopes` give access to are
    included, and the proof that `prove` makes of them."""
    return bytes(_filtered(case, served, scopes, prove) if case.status == 200 else case.body)


def retry_after_of(case: Recorded) -> int | None:
    """Returns the longest wait, in seconds, that the errors of a recorded case announce as `retry_in`; `None` if no
    error announces one."""
    try:
        errors = msgspec.json.decode(case.body, type=_Errors) if case.status >= 400 else _Errors()
    except msgspec.DecodeError:  # an error of version 2, or of another shape
        return None
    return longest_wait(error.meta.retry_in for error in errors.errors)


def _filtered(case: Recorded, served: Served, scopes: frozenset[str], prove: Prove | None) -> Raw:
    operation = served.operation
    if envelope_of(operation.path) == "v2":
        return open_fields(case.body, operation, scopes)
    members = _envelope.decode(case.body)
    if "data" in members:
        members["data"] = data = open_fields(members["data"], operation, scopes)
        if prove is not None:
            members["meta"] = Raw(msgspec.json.encode({**_meta.decode(members.get("meta", b"{}")), **prove(data)}))
    return Raw(msgspec.json.encode(members))
