"""Access record: what the access journal stores about one call, with pseudonyms in place of people's names. A gateway
sends each record over the queue `names.JOURNAL_QUEUE` to the registry, which stores the record in the journal."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

Outcome: TypeAlias = Literal["found", "not_found", "rejected", "refused", "failed", "pruned"]
"""Outcome of a call, such as `found` if the provider has data about the person.

`rejected` means that the provider refused the question, `refused` that the gateway refused the call, and `failed` a
technical fault. A record with `pruned` is not about a call: it marks that the registry has removed old records.
"""


class Access(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Record of one call to a gateway. A field whose value is unknown keeps its default, which is empty, zero or
    false."""

    id: str
    """Unique id of the record. The registry ignores a record whose id it has already received."""
    at: float
    """Time of the call, in seconds since the epoch."""
    outcome: Outcome
    status: int
    """HTTP status of the answer to the call."""
    code: str = ""
    """Code of the first error in the answer, such as `35003`; empty for a success."""
    operation: str = ""
    """Id of the operation that was called; empty if unknown."""
    habilitation: str = ""
    """Id of the token's habilitation; empty if unknown."""
    token: str = ""
    """Id of the token, never the token itself; empty if unknown."""
    recipient: str = ""
    """SIRET of the administration that receives the data; empty if unknown."""
    provider: str = ""
    """Name of the provider that answered; empty if the answer came from the cache, or if no provider was asked."""
    regime: str = ""
    """Name of the provider, `cnaf` or `msa`, whose answer the gateway chose for a family. Empty for operations that
    only one provider serves."""
    cached: bool = False
    duration_ms: float = 0.0
    trace_id: str = ""
    person: str = ""
    """Pseudonym of the person whom the caller asked about; empty if unknown."""
    key: str = ""
    """Name of the secret key that made the pseudonyms in this record; empty if the record has none."""
    found: tuple[str, ...] = ()
    """Pseudonyms of the people whom the answer names; empty if the answer names nobody. Each pseudonym is made only
    from name, first name and birth date."""
    # For a question by civil status, the person asked about is among them.
    request_id: str = ""
    """Value of the header `X-Request-Id` in the answer to the call."""
    purpose: str = ""
    """Purpose of the call in the caller's own words, at most 200 characters; empty if none was given. Only calls by the
    Model Context Protocol can give a purpose."""
    pruned_to: str = ""
    """Number and hash, as `NUMBER:HASH`, of the last record that the registry removed from the journal. Empty unless
    `outcome` is `pruned`."""


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Access] = msgspec.json.Decoder(Access)

encode = _encoder.encode


def decode(body: bytes) -> Access:
    """Decodes a record. Raises `msgspec.DecodeError` if `body` is not a valid record; the error has a fixed text,
    because msgspec's own text may quote personal data."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise msgspec.DecodeError("not a record of the journal") from None
