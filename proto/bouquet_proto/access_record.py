"""The record of one call in the access journal, in which people appear by pseudonym.

A gateway sends one record per call over the queue `names.JOURNAL_QUEUE`, and the registry's journal keeps it.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

Outcome: TypeAlias = Literal["found", "not_found", "rejected", "refused", "failed", "pruned"]
"""Outcome of a call. `rejected`: the provider could not answer the question as asked. `refused`: the gateway refused
the call. `pruned` is no call: the journal itself records that it removed its oldest records."""


class Access(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Record of one call to a gateway. A field is empty where its value is not known, such as the operation of a call
    that was refused early."""

    id: str
    """Unique id of the record. The journal uses it to keep only one copy of a record that is delivered twice."""
    at: float
    """Time of the call, in seconds since the epoch."""
    outcome: Outcome
    status: int
    """HTTP status of the answer."""
    code: str = ""
    """Code of the first error in the answer, such as `35003`; empty for a success."""
    operation: str = ""
    """Id of the operation that was called."""
    habilitation: str = ""
    """Id of the habilitation that the token belongs to."""
    token: str = ""
    """Id of the token, never the token itself."""
    recipient: str = ""
    """SIRET of the administration that receives the data."""
    provider: str = ""
    """Provider that answered; empty if the answer came from the cache."""
    regime: str = ""
    """Provider whose answer the gateway chose, for a resource that two providers serve (CAF and MSA)."""
    cached: bool = False
    duration_ms: float = 0.0
    trace_id: str = ""
    person: str = ""
    """Pseudonym of the person whom the caller asked about."""
    key: str = ""
    """Name of the key with which the pseudonyms were made."""
    found: tuple[str, ...] = ()
    """Pseudonyms of the people named in the answer and, for a question by civil status, of the person asked about; made
    from name, first name and birth date only. The answer may name another person, since providers match loosely."""
    request_id: str = ""
    """`X-Request-Id` of the answer."""
    pruned_to: str = ""
    """Number and hash, as `NUMBER:HASH`, of the last record that was removed, if the outcome is `pruned`. Gateways
    leave it empty."""


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Access] = msgspec.json.Decoder(Access)

encode = _encoder.encode


def decode(body: bytes) -> Access:
    """Decodes a record. Raises `msgspec.DecodeError` with a fixed text, as msgspec's own may quote the record."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise msgspec.DecodeError("not a record of the journal") from None
