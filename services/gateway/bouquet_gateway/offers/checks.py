"""What is believed of an offer before it is served: what would break answers, or take another's paths, is left out."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, structs

from bouquet_gateway import metrics
from bouquet_gateway.paths import OFFERED
from bouquet_mesh.settings import SettingsError
from bouquet_proto.limits import MAX_DEPTH, MAX_OFFER_BYTES, MAX_OPERATIONS, MAX_REPLY_BYTES, MAX_REPLY_ELEMENTS
from bouquet_proto.offer import Authority, Offer, Operation, Retirement

log = logging.getLogger(__name__)

Territories: TypeAlias = Mapping[str, tuple[str, ...]]
"""By provider, the beginnings of the only paths that it may offer. Who is not named may offer any."""

MAX_WORD = 100
"""Characters of a name or of a label, which documents repeat for each error of each operation."""
MAX_ROW_BYTES = 2_000
"""Of a provider's own row of the failure table."""
MAX_OWN_REASONS = 50
"""Of an operation, and of a provider's own rows. Each stands in the documents of each operation that names it."""
MAX_DOCUMENTS = 20
MAX_CHECKS = 50
MAX_SCHEMA_OBJECTS = 100
"""Of an operation. Each becomes a type as its first reply is read; ours have seven at most."""
MAX_FIELD_STEPS = 30
"""Of a field's dotted path."""
MAX_FIELDS = 300
MAX_PEOPLE = 16
MAX_UNION = 10
MAX_CACHE_S = 86_400
PREFIX = re.compile(r"\d{2}", re.ASCII)

_offer = msgspec.json.Decoder(Offer)


def territories(entries: tuple[str, ...], setting: str) -> Territories:
    """From `acme:/v3/acme/`, as often as there are beginnings."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        provider, _, beginning = entry.partition(":")
        if not provider or not beginning.startswith("/"):
            raise SettingsError([f"{setting}: must be entries like acme:/v3/acme/"])
        found[provider] = (*found.get(provider, ()), beginning)
    return found


def read_offer(provider: str, data: Raw, allowed: Territories) -> Offer | None:
    """`None` for what is no offer of this provider's, or too large a one: it is not read then."""
    if len(memoryview(data)) > MAX_OFFER_BYTES:
        refuse(provider, "offer too large")
        return None
    try:
        offer = _offer.decode(data)
        whole = _is_shallow(msgspec.json.decode(data), MAX_DEPTH) and offer.provider == provider
        whole = whole and _is_plain_authority(offer.authority)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        whole = False
    if not whole:
        refuse(provider, "offer unreadable")
        return None
    if not _is_within_limits(offer):
        refuse(provider, "offer too large")
        return None
    return structs.replace(
        offer,
        operations=tuple(_believed(offer, allowed.get(provider, ("/",)))),
        documents={path: document for path, document in offer.documents.items() if _is_within(path, offer, allowed)},
    )


def refuse(provider: str, reason: str, operation: str = "") -> None:
    """`reason` is one of a closed set."""
    log.error(reason, extra={"provider": provider, "operation": operation[:MAX_WORD]})
    metrics.OFFERS_REFUSED.labels(provider, reason).inc()


def _believed(offer: Offer, beginnings: tuple[str, ...]) -> Iterator[Operation]:
    for operation in offer.operations:
        if not operation.path.startswith(beginnings):
            refuse(offer.provider, "path out of bounds", operation.id)
        elif not _is_plain(operation):
            refuse(offer.provider, "operation unreadable", operation.id)
        elif not _is_small(operation):
            refuse(offer.provider, "operation too large", operation.id)
        else:
            yield operation


def _is_within(path: str, offer: Offer, allowed: Territories) -> bool:
    within = path.startswith(allowed.get(offer.provider, ("/",)))
    if not within:
        refuse(offer.provider, "path out of bounds")
    return within


def _is_within_limits(offer: Offer) -> bool:
    """Of what all of its operations repeat."""
    return (
        len(offer.operations) <= MAX_OPERATIONS
        and len(offer.problems) <= MAX_OWN_REASONS
        and len(offer.documents) <= MAX_DOCUMENTS
        and all(len(msgspec.json.encode(row)) <= MAX_ROW_BYTES for row in offer.problems.values())
    )


def _is_small(operation: Operation) -> bool:
    """So that what documents say of it, and what is made of its replies, is in proportion to what it says itself."""
    return (
        len(operation.reasons) <= MAX_OWN_REASONS
        and sum(map(len, (*operation.checks, operation.pivot))) <= MAX_CHECKS
        and _objects_in(operation.schema) <= MAX_SCHEMA_OBJECTS
        and all(path.count(".") < MAX_FIELD_STEPS for path in operation.fields)
        and operation.reply.size_bytes <= MAX_REPLY_BYTES
        and operation.reply.elements <= MAX_REPLY_ELEMENTS
        and len(operation.fields) + len(operation.open_fields) <= MAX_FIELDS
        and len(operation.people) <= MAX_PEOPLE
        and _widest_union(operation.schema) <= MAX_UNION
        and 0 <= operation.cache_s <= MAX_CACHE_S
    )


def _widest_union(node: Any) -> int:
    """The most kinds of value that one place of a schema may have: telling them apart costs their square."""
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


def _is_plain_authority(authority: Authority) -> bool:
    return len(authority.label) <= MAX_WORD and bool(PREFIX.fullmatch(authority.prefix))


def _is_plain(operation: Operation) -> bool:
    """What becomes a route, a header of every answer, or a part of every error."""
    return (
        bool(OFFERED.fullmatch(operation.path))
        and max(len(operation.id), len(operation.public_id), len(operation.status)) <= MAX_WORD
        and (operation.authority is None or _is_plain_authority(operation.authority))
        and (operation.retirement is None or _is_plain_retirement(operation.retirement))
    )


def _is_plain_retirement(retirement: Retirement) -> bool:
    try:
        for day in (retirement.deprecated_on, retirement.sunset_on or retirement.deprecated_on):
            date.fromisoformat(day)
    except ValueError:
        return False
    return not retirement.successor or bool(OFFERED.fullmatch(retirement.successor))


def _is_shallow(node: Any, depth: int) -> bool:
    match node:
        case dict():
            return depth > 0 and all(_is_shallow(item, depth - 1) for item in node.values())
        case list():
            return depth > 0 and all(_is_shallow(item, depth - 1) for item in node)
        case _:
            return True
