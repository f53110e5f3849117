"""Messages on the bus, encoded as JSON: requests of a gateway and replies of a worker or the registry.

Compatibility of versions: unknown fields are ignored, new fields have defaults, types never change, tags are never
reused. Every version must decode the samples in tests/proto/samples.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import msgspec
from msgspec import Raw, Struct

from bouquet_proto.identity import Identity

T = TypeVar("T")

MAX_REQUEST_BYTES = 64 * 1024
"""Largest size, in bytes, of all requests except `CheckCase`. Larger requests are not decoded."""

MAX_CASE_BYTES = 64 * 1024
"""Largest size, in bytes, of a test case file that a sandbox checks."""
MAX_CHECK_REQUEST_BYTES = 7 * MAX_CASE_BYTES
"""Largest size, in bytes, of a `CheckCase` request, which carries a test case file."""
# JSON may write one byte of the file as six; the rest leaves room for the other fields.

Parameter: TypeAlias = str | int | tuple[str, ...]
"""Value of a lookup's parameter, such as a year or a list of codes."""
Meta: TypeAlias = dict[str, str | int]
"""Details of an error, in a reply without data. The gateway copies them into the `meta` of its response to the
caller."""


class Caller(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Information about the caller that a worker needs to trace the call and to tell callers apart."""

    recipient: str = ""
    """SIRET of the administration that receives the data; empty if the lookup is for no administration."""
    token_id: str = ""
    mark: str = ""
    """Keyed hash by which a worker can tell callers apart without learning who they are. Empty if the gateway makes the
    lookup for itself."""
    # Also empty from older gateways.
    # Only gateways have the key.


class Lookup(Struct, frozen=True, kw_only=True, tag="lookup", omit_defaults=True):
    """Request for the data of one operation about one person."""

    id: str
    """Id of the caller's HTTP request, also sent to the caller in the header `X-Request-Id` of the response."""
    deadline: float
    """Time until which the gateway waits for the reply, in seconds since the epoch."""
    operation: str
    identity: Identity
    parameters: dict[str, Parameter] = {}
    caller: Caller = Caller()
    traceparent: str = ""


class Describe(Struct, frozen=True, kw_only=True, tag="describe", omit_defaults=True):
    """Request for the description of a worker's operations (`Offer`)."""

    id: str
    deadline: float
    offer: str = ""
    """Digest (`offer.digest_of`) of the offer to which `refused` applies. Empty if the gateway has no offer of this
    provider yet."""
    # Also empty from older gateways.
    refused: tuple[str, ...] = ()
    """Reasons why the gateway refuses the worker's offer or parts of it, such as `path already served: acme_dossier`. A
    reason about an operation ends with the operation's id."""
    traceparent: str = ""


class WhoIs(Struct, frozen=True, kw_only=True, tag="who_is", omit_defaults=True):
    """Request to the registry for the rights of a token. The reply is a `registry_messages.KnownToken`, or a `NotFound`
    for an unknown token."""

    id: str
    deadline: float
    token: str
    """Id of the token (`jti`), never the token itself."""
    refuses_withdrawn: bool = False
    """Whether the gateway itself refuses tokens signed with a withdrawn key. If false, the registry reports these
    tokens as blacklisted."""
    # False from older gateways, which do not send this field.
    traceparent: str = ""


class Changes(Struct, frozen=True, kw_only=True, tag="changes", omit_defaults=True):
    """Request to the registry for the tokens and delegations that have changed since the last request. The reply is a
    `registry_messages.TokenChanges`."""

    id: str
    deadline: float
    log: str = ""
    """Name of the registry's log of changes that `since` refers to. Empty if the gateway has read no log."""
    since: int = 0
    """Number of the last change that the gateway knows; 0 if it knows none. The reply lists the changes with higher
    numbers."""
    scopes: tuple[str, ...] = ()
    """Scopes of the operations that the gateway serves now, for the registry's list of scopes. Sent after a change and
    every ten minutes; otherwise empty."""
    traceparent: str = ""


class FindDelegations(Struct, frozen=True, kw_only=True, tag="find_delegations", omit_defaults=True):
    """Request to the registry for the delegations in force from one organisation to one software editor. A delegation
    lets the editor call with the organisation's rights. The reply is a `registry_messages.KnownDelegations`."""

    id: str
    deadline: float
    editor: str
    siret: str
    traceparent: str = ""


class ListDelegations(Struct, frozen=True, kw_only=True, tag="list_delegations", omit_defaults=True):
    """Request to the registry for one page of the delegations to a software editor. A delegation lets the editor call
    with another organisation's rights. The reply is a `registry_messages.DelegationPage`."""

    id: str
    deadline: float
    editor: str
    page: int
    """Number of the page, counted from 1."""
    per_page: int
    """Largest number of delegations on a page."""
    traceparent: str = ""


class FindRevocation(Struct, frozen=True, kw_only=True, tag="find_revocation", omit_defaults=True):
    """Request to the registry that asks whether a proof has been revoked. A proof is an encrypted text by which anyone
    can verify later what an answer said. The reply is a `registry_messages.Revocation`."""

    id: str
    deadline: float
    record: str
    """Id, in the access journal, of the call whose answer the proof shows."""
    traceparent: str = ""


class FindEntry(Struct, frozen=True, kw_only=True, tag="find_entry", omit_defaults=True):
    """Request to the writer of the access journal that asks whether the journal has the record with this id. The reply
    is a `journal_messages.JournalEntry`."""

    id: str
    deadline: float
    record: str
    """Id of the record."""
    traceparent: str = ""


class ListCases(Struct, frozen=True, kw_only=True, tag="list_cases", omit_defaults=True):
    """Request to a provider of a sandbox for one page of its test cases. The reply is a `sandbox_messages.CasePage`."""

    id: str
    deadline: float
    after: str = ""
    """Id of the last test case on the page before; "" asks for the first page."""
    traceparent: str = ""


class CheckCase(Struct, frozen=True, kw_only=True, tag="check_case", omit_defaults=True):
    """Request to a sandbox to check the file of a proposed test case, a recorded answer about an invented person. The
    reply is a `sandbox_messages.CaseReport`."""

    id: str
    deadline: float
    operation: str
    """Id of the operation in API Particulier's OpenAPI document; `france_connect` for a case that simulates a
    FranceConnect session."""
    text: str
    """Content of the proposed case file, in YAML."""
    traceparent: str = ""


Request: TypeAlias = (
    Lookup
    | Describe
    | WhoIs
    | Changes
    | FindDelegations
    | ListDelegations
    | FindRevocation
    | FindEntry
    | ListCases
    | CheckCase
)


class Found(Struct, frozen=True, tag="found"):
    """Reply with data, as JSON. A reply to a lookup holds all the data about the person; the gateway removes the fields
    outside the caller's scopes."""

    data: Raw


class NotFound(Struct, frozen=True, tag="not_found", omit_defaults=True):
    """Reply of a provider that has no data about the person, or of the registry that does not know a token."""

    reason: str
    """Reason for this reply: a key of the failure table, or of the worker's own rows in `Offer.problems`."""
    meta: Meta = {}


class Rejected(Struct, frozen=True, tag="rejected", omit_defaults=True):
    """Reply of a provider that refuses to look for the person. For example, the identity is wrong or matches several
    people."""

    reason: str
    """Reason for this reply: a key of the failure table, or of the worker's own rows in `Offer.problems`."""
    meta: Meta = {}


class Failed(Struct, frozen=True, tag="failed", omit_defaults=True):
    """Reply without a result, because of a technical fault of the provider, its worker or Bouquet itself."""

    reason: str
    """Reason for this reply: a key of the failure table, or of the worker's own rows in `Offer.problems`."""
    retry_in_s: int | None = None
    """Seconds after which the caller may try again; `None` if unknown."""
    meta: Meta = {}


class Recorded(Struct, frozen=True, tag="recorded"):
    """Reply with the HTTP status and body of a test case of a sandbox. Only a gateway in sandbox mode accepts such a
    reply."""

    status: int
    body: Raw


MAX_BYTES = 1_100_000
"""Largest size, in bytes, of a message on the bus. Larger messages are not decoded."""
# Leaves room for a reply with `limits.MAX_REPLY_BYTES` of data.
MAX_BYTES_WITHOUT_DATA = 8 * 1024
"""Largest size, in bytes, of a reply without data. Larger replies must be a `Found` or a `Recorded`."""

Reply: TypeAlias = Found | NotFound | Rejected | Failed | Recorded

_encoder = msgspec.json.Encoder()
_request: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_check: msgspec.json.Decoder[Request] = msgspec.json.Decoder(CheckCase)
"""Decoder of requests larger than `MAX_REQUEST_BYTES`, which accepts only a `CheckCase`."""
_reply: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)
_data: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Found | Recorded)
"""Decoder of replies larger than `MAX_BYTES_WITHOUT_DATA`, which accepts only a `Found` or a `Recorded`."""

encode = _encoder.encode


def decode_request(body: bytes) -> Request:
    """Decodes a request. Raises `msgspec.DecodeError` if the request is too large or malformed. The error's text has no
    personal data."""
    # msgspec's own text may quote personal data.
    if len(body) > MAX_CHECK_REQUEST_BYTES:
        raise msgspec.DecodeError("larger than a request")
    return _decode(_request if len(body) <= MAX_REQUEST_BYTES else _check, body)


def decode_reply(body: bytes) -> Reply:
    """Decodes a reply. Never raises: a malformed or too large reply becomes `Failed("malformed_reply")`."""
    try:
        reply = _decode(_reply if len(body) <= MAX_BYTES_WITHOUT_DATA else _data, body)
    except msgspec.DecodeError:
        return Failed("malformed_reply")
    match reply:
        case Found(data=data) | Recorded(body=data) if not _is_object(data):
            return Failed("malformed_reply")
        case _:
            return reply


def _is_object(data: Raw) -> bool:
    """Returns whether `data` is a JSON object."""
    # Only from an object can the gateway remove the fields that a caller may not see.
    return bytes(memoryview(data)[:1]) == b"{"


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    if len(body) > MAX_BYTES:
        raise msgspec.DecodeError("too large for this wire")
    try:
        body.decode()  # msgspec does not look inside `Raw`, whose readers expect UTF-8
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise msgspec.DecodeError("not a message of this wire") from None
