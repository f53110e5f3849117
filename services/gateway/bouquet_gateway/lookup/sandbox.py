"""Answers of a sandbox (a gateway on which clients test), made from test cases. Fields to which the caller's scopes
give no access are left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

from bouquet_gateway.errors.problems import longest_wait
from bouquet_gateway.lookup.scope_filter import open_fields
from bouquet_gateway.offers.catalogue import ServedOperation
from bouquet_gateway.paths import envelope_of
from bouquet_gateway.proofs.proofs import ProofMembers
from bouquet_proto.messages import Recorded

MakeProof: TypeAlias = Callable[[Raw], ProofMembers]
"""Function that makes a proof (a text that shows later what an answer said) from the answer's data. Returns the members
to add to the answer."""


class _Meta(Struct, frozen=True):
    retry_in: int | None = None


class _Error(Struct, frozen=True):
    meta: _Meta = _Meta()


class _Errors(Struct, frozen=True):
    errors: tuple[_Error, ...] = ()


_envelope = msgspec.json.Decoder(dict[str, Raw])
_members = msgspec.json.Decoder(dict[str, Any])


def body_of(
    case: Recorded, served: ServedOperation, scopes: frozenset[str], make_proof: MakeProof | None = None
) -> bytes:
    """Returns the body of a recorded answer (`case`) of a sandbox. With HTTP status 200, fields outside `scopes` are
    removed, and `make_proof` adds the proof."""
    return bytes(_filtered(case, served, scopes, make_proof) if case.status == 200 else case.body)


def retry_after_of(case: Recorded) -> int | None:
    """Returns the longest `retry_in`, in seconds, of the errors in a sandbox's recorded answer; `None` if no error has
    `retry_in`."""
    try:
        errors = msgspec.json.decode(case.body, type=_Errors) if case.status >= 400 else _Errors()
    except msgspec.DecodeError:  # an error of version 2, or of another shape
        return None
    return longest_wait(error.meta.retry_in for error in errors.errors)


def _filtered(case: Recorded, served: ServedOperation, scopes: frozenset[str], make_proof: MakeProof | None) -> Raw:
    operation = served.operation
    if envelope_of(operation.path) == "v2":
        return open_fields(case.body, operation, scopes)
    members = _envelope.decode(case.body)
    if "data" in members:
        members["data"] = data = open_fields(members["data"], operation, scopes)
        if make_proof is not None:
            made = make_proof(data)
            for name, added in (("links", made.links), ("meta", made.meta)):
                members[name] = Raw(msgspec.json.encode({**_members.decode(members.get(name, b"{}")), **added}))
    return Raw(msgspec.json.encode(members))
