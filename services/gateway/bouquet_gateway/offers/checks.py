"""Checks of an offer (a worker's description of its operations). The gateway refuses each operation or document that
breaks a rule, and serves the rest of the offer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct, structs

from bouquet_gateway.offers import proof_members
from bouquet_gateway.paths import OFFERED, V2_PREFIX
from bouquet_mesh.settings import SettingsError
from bouquet_proto.limits import MAX_DEPTH, MAX_OFFER_BYTES
from bouquet_proto.offer import SHOWN_PARTS, Authority, Offer, Operation, Retirement
from bouquet_proto.offer_limits import (
    MAX_FIELD_STEPS,
    MAX_WORD_LENGTH,
    excesses_of_offer,
    excesses_of_operation,
    long_texts_of,
)

Territories: TypeAlias = Mapping[str, tuple[str, ...]]
"""Prefixes of the paths that each provider may offer, by the provider's name. A provider without an entry may offer any
path."""

MAX_PROOF_ROWS = 50
"""Largest number of rows (sections and fields together) in an operation's proof. A proof is a text that shows later
what an answer said."""
REFERENCES = frozenset({"$ref", "$dynamicRef"})
"""Keywords of JSON schema (2020-12) that refer to another schema by its address."""
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


class OfferRefusal(Struct, frozen=True):
    """Refusal of an offer (a worker's description of its operations), or of a part of it. If `operation` is empty, the
    refusal concerns a document or the whole offer."""

    reason: str
    """Reason for the refusal, one of a few fixed texts such as `offer too large`."""
    # The same text is a label of a metric and the message of a log event.
    operation: str = ""
    field: str = ""
    """Dotted path of the field at fault; empty if the refusal is not about one field."""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.reason, self.operation, self.field)))


class ReadOffer(Struct, frozen=True):
    offer: Offer | None
    """Offer without its refused parts; `None` if the whole offer is refused."""
    refusals: tuple[OfferRefusal, ...] = ()


def read_offer(provider: str, data: Raw, allowed: Territories) -> ReadOffer:
    """Decodes and checks the offer that a provider's worker has sent. Returns the valid part of the offer, and the
    refused parts; `allowed` gives the path prefixes that each provider may use."""
    if len(memoryview(data)) > MAX_OFFER_BYTES:
        return ReadOffer(None, (OfferRefusal("offer too large"),))
    try:
        offer = _offer.decode(data)
        is_valid = _is_shallow(msgspec.json.decode(data), MAX_DEPTH) and offer.provider == provider
        is_valid = is_valid and _is_well_formed_authority(offer.authority)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        is_valid = False
    if not is_valid:
        return ReadOffer(None, (OfferRefusal("offer unreadable"),))
    if _is_too_large(excesses_of_offer(offer)):
        return ReadOffer(None, (OfferRefusal("offer too large"),))
    prefixes = allowed.get(provider, ("/",))
    verdicts = [(operation, _refusal_of(operation, prefixes)) for operation in offer.operations]
    documents = {path: document for path, document in offer.documents.items() if path.startswith(prefixes)}
    outside = [OfferRefusal("path out of bounds")] * (len(offer.documents) - len(documents))
    served = [operation for operation, refusal in verdicts if refusal is None]
    operations = tuple(one if _is_proof_well_formed(one) else structs.replace(one, proof=None) for one in served)
    without = (OfferRefusal("proof refused", one.id) for one in served if not _is_proof_well_formed(one))
    refusals = (*(refusal for _, refusal in verdicts if refusal), *without, *outside)
    return ReadOffer(structs.replace(offer, operations=operations, documents=documents), refusals)


def _refusal_of(operation: Operation, prefixes: tuple[str, ...]) -> OfferRefusal | None:
    name = operation.id[:MAX_WORD_LENGTH]
    if not operation.path.startswith(prefixes):
        return OfferRefusal("path out of bounds", name)
    if not _is_well_formed(operation):
        return OfferRefusal("operation unreadable", name)
    if operation.cache_s < 0 or _is_too_large(excesses_of_operation(operation)):
        return OfferRefusal("operation too large", name)
    return None


def _is_too_large(excesses: Iterator[str]) -> bool:
    return next(excesses, "") != ""


def _has_reference(node: Any) -> bool:
    """Returns whether a JSON schema refers to another schema by an address, which is not allowed."""
    # Programs that read the public documents would open the address.
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
    """Returns whether an operation's path, texts, authority, retirement and JSON schema are well formed."""
    # The schema must not refer to another schema by an address. The answers must not have a field in `meta` that the
    # gateway itself writes for a proof.
    return (
        bool(OFFERED.fullmatch(operation.path))
        and not _is_too_large(long_texts_of(operation))
        and not _has_reference(operation.schema)
        and proof_members.ALL.isdisjoint(operation.meta_fields)
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
        and all(field.shown in SHOWN_PARTS for field in fields)
    )


def _is_shallow(node: Any, depth: int) -> bool:
    match node:
        case dict():
            return depth > 0 and all(_is_shallow(item, depth - 1) for item in node.values())
        case list():
            return depth > 0 and all(_is_shallow(item, depth - 1) for item in node)
        case _:
            return True
