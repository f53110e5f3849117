"""The access journal's record, and how it names a person: by a pseudonym that only the key and the identity give.

A gateway writes one record a call; the registry's journal keeps them. Records wait on `names.JOURNAL_QUEUE`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

Outcome: TypeAlias = Literal["found", "not_found", "rejected", "refused", "failed", "pruned"]
"""`rejected` is the provider's no to the question, `refused` the gateway's own to the caller. `pruned` is no call: with
it the journal itself tells that its oldest records were removed."""


class Access(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call at the door. What is not known of it (a call refused before its operation was found) is empty."""

    id: str
    """Its own: a record that comes twice is kept once."""
    at: float
    """Seconds since the epoch."""
    outcome: Outcome
    status: int
    """As answered."""
    code: str = ""
    """Of the error as answered, `35003`; empty for a success. The first one of several."""
    operation: str = ""
    habilitation: str = ""
    token: str = ""
    """Its id, never the token."""
    recipient: str = ""
    """SIRET of the administration that the data is for."""
    provider: str = ""
    """Who answered; empty for an answer of the cache."""
    regime: str = ""
    cached: bool = False
    duration_ms: float = 0.0
    trace_id: str = ""
    person: str = ""
    """Of whom the question was about: `pseudonym(…)`."""
    key: str = ""
    """Name of the pseudonyms' key."""
    found: tuple[str, ...] = ()
    """Pseudonyms of those whom the answer names, by name, first name and birth date: providers match loosely."""
    request_id: str = ""
    """`X-Request-Id`, as answered to the caller."""
    pruned_to: str = ""
    """`NUMBER:HASH` of the last record that was removed, where the outcome is `pruned`. No gateway sends one."""


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Access] = msgspec.json.Decoder(Access)

encode = _encoder.encode


def decode(body: bytes) -> Access:
    """Raises `msgspec.DecodeError`, without the library's text, which may quote the record."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise msgspec.DecodeError("not a record of the journal") from None
