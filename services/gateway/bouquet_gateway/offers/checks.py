"""Checks of an offer (a worker's description of its operations). The gateway does not serve operations and documents
that would break answers or take another provider's paths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct, structs

from bouquet_gateway.offers import proof_members
from bouquet_gateway.paths import OFFERED, V2_PREFIX
from bouquet_mesh.settings import SettingsError
from bouquet_proto.limits import MAX_DEPTH, MAX_OFFER_BYTES, MAX_OPERATIONS, MAX_REPLY_BYTES, MAX_REPLY_ELEMENTS
from bouquet_proto.offer import SHOWN, Authority, Offer, Operation, Retirement

Territories: TypeAlias = Mapping[str, tuple[str, ...]]
"""Prefixes of the paths that each provider may offer, by the provider's name. A provider without an entry may offer any
path."""

MAX_WORD_LENGTH = 100
"""Largest number of characters in an operation's id, public id or name in `/api/{status}/ping`, and in an authority's
label."""
MAX_SUMMARY_LENGTH = 200
MAX_ROW_BYTES = 2_000
"""Largest size, in bytes of JSON, of a row (reason with code and texts) that a provider adds to the failure table."""
MAX_OWN_REASONS = 50
"""Largest number of failure reasons that one operation may list. The same limit applies to the rows that one provider
may add to the failure table."""
MAX_DOCUMENTS = 20
MAX_CHECKS = 50
MAX_SCHEMA_OBJECTS = 100
"""Largest number of objects in an operation's JSON schema, because the gateway makes a Python type for each."""
MAX_FIELD_STEPS = 30
"""Largest number of names in a dotted path; `adresse.pays` has two."""
MAX_FIELDS = 300
MAX_PEOPLE = 16
MAX_META_FIELDS = 16
MAX_PROOF_ROWS = 50
"""Largest number of sections and fields, counted together, in an operation's proof (text that shows later what an
answer said)."""
MAX_UNION = 10
MAX_CACHE_S = 86_400
REFERENCES = frozenset({"$ref", "$dynamicRef"})
"""Keywords of JSON schema (2020-12) whose value is the address of another schema."""
CODE_PREFIX = re.compile(r"\d{2}", re.ASCII)

_offer = msgspec.json.Decoder(Offer)


def territories(entries: tuple[str, ...], setting: str) -> Territories:
    """Parses entries such as `acme:/v3/acme/` into the path prefixes of each provider. Raises `SettingsError` if an
    entry is malformed; the error's text begins with `setting`, the name of the setting."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        provider, _, prefix = entry.partition(":")
        if not provider or not prefix.startswith("/"):
            raise SettingsError([f"{setting}: must be entries like acme:/v3/acme/"])
        found[provider] = (*found.get(provider, ()), prefix)
    return found


class Refusal(Struct, frozen=True):
    """Part of an offer (a worker's description of its operations) that the gateway does not serve. The part is the
    operation with the id `operation` or, if that is empty, a document or the whole offer."""

    reason: str
    """Reason for the refusal, one of a few fixed texts such as `offer too large`. The same text is a label of a metric
    and the message of a log event."""
    operation: str = ""
    field: str = ""
    """Dotted path of the field at fault; empty if the refusal is not about one field."""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.reason, self.operation, self.field)))


class ReadOffer(Struct, frozen=True):
    offer: Offer | None
    """Offer without its refused operations and documents; `None` if the whole offer is refused."""
    refusals: tuple[Refusal, ...] = ()


def read_offer(provider: str, data: Raw, allowed: Territories) -> ReadOffer:
    """Decodes and checks the offer that a provider's worker has sent. Returns the valid part of the offer, and the
    refused parts; `allowed` gives the path prefixes that each provider may use."""
    if len(memoryview(data)) > MAX_OFFER_BYTES:
        return ReadOffer(None, (Refusal("offer too large"),))
    try:
        offer = _offer.decode(data)
        is_valid = _is_shallow(msgspec.json.decode(data), MAX_DEPTH) and offer.provider == provider
        is_valid = is_valid and _is_well_formed_authority(offer.authority)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        is_valid = False
    if not is_valid:
        return ReadOffer(None, (Refusal("offer unreadable"),))
    if not _is_within_limits(offer):
        return ReadOffer(None, (Refusal("offer too large"),))
    prefixes = allowed.get(provider, ("/",))
    verdicts = [(operation, _refusal_of(operation, prefixes)) for operation in offer.operations]
    documents = {path: document for path, document in offer.documents.items() if path.startswith(prefixes)}
    outside = [Refusal("path out of bounds")] * (len(offer.documents) - len(documents))
    served = [operation for operation, refusal in verdicts if refusal is None]
    operations = tuple(one if _is_proof_well_formed(one) else structs.replace(one, proof=None) for one in served)
    without = (Refusal("proof refused", one.id) for one in served if not _is_proof_well_formed(one))
    refusals = (*(refusal for _, refusal in verdicts if refusal), *without, *outside)
    return ReadOffer(structs.replace(offer, operations=operations, documents=documents), refusals)


def _refusal_of(operation: Operation, prefixes: tuple[str, ...]) -> Refusal | None:
    name = operation.id[:MAX_WORD_LENGTH]
    if not operation.path.startswith(prefixes):
        return Refusal("path out of bounds", name)
    if not _is_well_formed(operation):
        return Refusal("operation unreadable", name)
    if not _is_operation_within_limits(operation):
        return Refusal("operation too large", name)
    return None


def _is_within_limits(offer: Offer) -> bool:
    """Returns whether a worker's offer (description of its operations) is within the limits on the numbers of
    operations, documents and failure rows, and on the size of each row."""
    return (
        len(offer.operations) <= MAX_OPERATIONS
        and len(offer.problems) <= MAX_OWN_REASONS
        and len(offer.documents) <= MAX_DOCUMENTS
        and all(len(msgspec.json.encode(row)) <= MAX_ROW_BYTES for row in offer.problems.values())
    )


def _is_operation_within_limits(operation: Operation) -> bool:
    """Returns whether the sizes, numbers and seconds that an operation declares are within the gateway's limits."""
    return (
        len(operation.reasons) <= MAX_OWN_REASONS
        and sum(map(len, (*operation.checks, operation.pivot, operation.identity_checks))) <= MAX_CHECKS
        and _objects_in(operation.schema) <= MAX_SCHEMA_OBJECTS
        and all(path.count(".") < MAX_FIELD_STEPS for path in operation.fields)
        and operation.reply.size_bytes <= MAX_REPLY_BYTES
        and operation.reply.elements <= MAX_REPLY_ELEMENTS
        and len(operation.fields) + len(operation.open_fields) <= MAX_FIELDS
        and len(operation.people) <= MAX_PEOPLE
        and len(operation.meta_fields) <= MAX_META_FIELDS
        and _widest_union(operation.schema) <= MAX_UNION
        and 0 <= operation.cache_s <= MAX_CACHE_S
    )


def _widest_union(node: Any) -> int:
    """Returns the number of alternatives in the largest `anyOf` of a JSON schema; 0 if the schema has no `anyOf`."""
    # An offer may have only so many, since the time to decode n alternatives grows with n².
    match node:
        case dict():
            own = node.get("anyOf")
            return max([len(own) if isinstance(own, list) else 0, *map(_widest_union, node.values())])
        case list():
            return max(map(_widest_union, node), default=0)
        case _:
            return 0


def _objects_in(node: Any) -> int:
    match node:
        case dict():
            return ("properties" in node) + sum(map(_objects_in, node.values()))
        case list():
            return sum(map(_objects_in, node))
        case _:
            return 0


def _has_reference(node: Any) -> bool:
    """Returns whether a JSON schema refers to another one by its address. Programs that read the public documents would
    open that address."""
    match node:
        case dict():
            return not REFERENCES.isdisjoint(node) or any(map(_has_reference, node.values()))
        case list():
            return any(map(_has_reference, node))
        case _:
            return False


def _is_well_formed_authority(authority: Authority) -> bool:
    return len(authority.label) <= MAX_WORD_LENGTH and bool(CODE_PREFIX.fullmatch(authority.prefix))


def _is_well_formed(operation: Operation) -> bool:
    """Returns whether an operation's path, texts, authority and retirement are well formed, and its schema refers to no
    other. Its answers must have no field in `meta` that the gateway itself writes for a proof."""
    return (
        bool(OFFERED.fullmatch(operation.path))
        and len(operation.summary) <= MAX_SUMMARY_LENGTH
        and not _has_reference(operation.schema)
        and proof_members.ALL.isdisjoint(operation.meta_fields)
        and max(len(operation.id), len(operation.public_id), len(operation.status)) <= MAX_WORD_LENGTH
        and (operation.authority is None or _is_well_formed_authority(operation.authority))
        and (operation.retirement is None or _is_well_formed_retirement(operation.retirement))
    )


def _is_well_formed_retirement(retirement: Retirement) -> bool:
    try:
        for day in (retirement.deprecated_on, retirement.sunset_on or retirement.deprecated_on):
            date.fromisoformat(day)
    except ValueError:
        return False
    return not retirement.successor or bool(OFFERED.fullmatch(retirement.successor))


def _is_proof_well_formed(operation: Operation) -> bool:
    """Returns whether the gateway can make the operation's proof (text that shows later what an answer said); true for
    an operation without a proof."""
    # A worker newer than the gateway may show fields in ways that the gateway does not know.
    if (proof := operation.proof) is None:
        return True
    fields = [field for section in proof.sections for field in (*section.fields, *section.document)]
    labels = [proof.title, *(field.label for field in fields)]
    labels += [label for section in proof.sections for label in (section.title, section.count)]
    return (
        not operation.path.startswith(V2_PREFIX)
        and len(proof.sections) + len(fields) <= MAX_PROOF_ROWS
        and max(map(len, labels)) <= MAX_WORD_LENGTH
        and all(path.count(".") < MAX_FIELD_STEPS for path in proof.paths())
        and all(field.shown in SHOWN for field in fields)
    )


def _is_shallow(node: Any, depth: int) -> bool:
    match node:
        case dict():
            return depth > 0 and all(_is_shallow(item, depth - 1) for item in node.values())
        case list():
            return depth > 0 and all(_is_shallow(item, depth - 1) for item in node)
        case _:
            return True
