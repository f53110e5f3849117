"""The wire: what a gateway asks and what a worker answers. JSON, so that a team without Python can read it.

Evolution: unknown fields are ignored, new fields have defaults, types never change, tags are never reused.
The samples in tests/proto/samples decode for ever.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import msgspec
from msgspec import Raw, Struct

from bouquet_proto.identity import Identity

T = TypeVar("T")

MAX_REQUEST_BYTES = 64 * 1024
"""More than any question about one person takes: what is larger is not read."""

Parameter: TypeAlias = str | int | tuple[str, ...]
Meta: TypeAlias = dict[str, str | int]


class Caller(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """On whose behalf a lookup is made: what the funds' traceability headers need, and nothing more."""

    recipient: str = ""
    """SIRET of the administration that receives the data."""
    token_id: str = ""
    mark: str = ""
    """Tells callers apart and says nothing of them: a hash by a key that only gateways have. Empty where nobody in
    particular asks, or of a gateway that makes none."""


class Lookup(Struct, frozen=True, kw_only=True, tag="lookup", omit_defaults=True):
    """One question about one person. `deadline` is in seconds since the epoch."""

    id: str
    deadline: float
    operation: str
    identity: Identity
    parameters: dict[str, Parameter] = {}
    caller: Caller = Caller()
    traceparent: str = ""


class Describe(Struct, frozen=True, kw_only=True, tag="describe", omit_defaults=True):
    """Asks a worker for its `Offer`."""

    id: str
    deadline: float
    traceparent: str = ""


class WhoIs(Struct, frozen=True, kw_only=True, tag="who_is", omit_defaults=True):
    """Asks the registry for what a token allows (`registry.Held`)."""

    id: str
    deadline: float
    token: str
    """Its `jti`, never the token itself."""
    traceparent: str = ""


class Changes(Struct, frozen=True, kw_only=True, tag="changes", omit_defaults=True):
    """Asks the registry which tokens have changed since a place in its log (`registry.News`)."""

    id: str
    deadline: float
    log: str = ""
    since: int = 0
    traceparent: str = ""


Request: TypeAlias = Lookup | Describe | WhoIs | Changes


class Found(Struct, frozen=True, tag="found"):
    """The resource, every field of it, as JSON: the gateway filters by scope."""

    data: Raw


class NotFound(Struct, frozen=True, tag="not_found", omit_defaults=True):
    """The provider answered, and has nothing. `reason` is a row of the failure table or of the offer's."""

    reason: str
    meta: Meta = {}


class Rejected(Struct, frozen=True, tag="rejected", omit_defaults=True):
    """The provider cannot answer the question as it was put (bad identity, several matches)."""

    reason: str
    meta: Meta = {}


class Failed(Struct, frozen=True, tag="failed", omit_defaults=True):
    """Nobody knows: the provider, its worker or the mesh did not answer properly."""

    reason: str
    retry_in_s: int | None = None
    meta: Meta = {}


class Recorded(Struct, frozen=True, tag="recorded"):
    """A sandbox case, answered as its file says: HTTP status and body. Only a gateway in sandbox mode believes it."""

    status: int
    body: Raw


MAX_BYTES = 1_100_000
"""Of a message: what the largest reply takes with what surrounds it. What is larger is not read."""
MAX_WORDS_BYTES = 8 * 1024
"""Of a reply without data: a reason and a few words."""

Reply: TypeAlias = Found | NotFound | Rejected | Failed | Recorded

_encoder = msgspec.json.Encoder()
_request: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_reply: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)
_data: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Found | Recorded)
"""Their data stays as it came: it is not decoded here, however large it is."""

encode = _encoder.encode


def decode_request(body: bytes) -> Request:
    """Raises `msgspec.DecodeError`, without the library's text, which may quote the body."""
    if len(body) > MAX_REQUEST_BYTES:
        raise msgspec.DecodeError("larger than a request")
    return _decode(_request, body)


def decode_reply(body: bytes) -> Reply:
    """What cannot be read is a failure of the worker that wrote it, not an exception of the reader."""
    try:
        reply = _decode(_reply if len(body) <= MAX_WORDS_BYTES else _data, body)
    except msgspec.DecodeError:
        return Failed("malformed_reply")
    return Failed("malformed_reply") if isinstance(reply, Found) and not _is_object(reply.data) else reply


def _is_object(data: Raw) -> bool:
    """As every resource is: a number or a list of them would pass through the filter of scopes."""
    return bytes(memoryview(data)[:1]) == b"{"


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    if len(body) > MAX_BYTES:
        raise msgspec.DecodeError("too large for this wire")
    try:
        body.decode()  # msgspec does not look inside `Raw`, whose readers expect UTF-8
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise msgspec.DecodeError("not a message of this wire") from None
