"""Limits on an offer (a worker's description of its operations), and functions that find the parts that exceed them.
Gateways refuse these parts, and the conformance suite of the kit reports them to the worker's author."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from bouquet_proto.limits import MAX_OPERATIONS, MAX_REPLY_BYTES, MAX_REPLY_ELEMENTS
from bouquet_proto.offer import Offer, Operation

MAX_WORD_LENGTH = 100
"""Largest number of characters in a short text of an offer: an operation's `id`, `public_id` or `status`, or an
authority's label."""
MAX_SUMMARY_LENGTH = 200
MAX_ROW_BYTES = 2_000
"""Largest size, in bytes of JSON, of one row that a provider adds to the failure table. A row has the code and texts
for one reason."""
MAX_OWN_REASONS = 50
"""Largest number of failure reasons that one operation may list. The same limit applies to the rows that one provider
may add to the failure table."""
MAX_DOCUMENTS = 20
MAX_CHECKS = 50
MAX_SCHEMA_OBJECTS = 100
"""Largest number of objects in an operation's JSON schema."""
# The gateway makes a Python type for each object.
MAX_FIELD_STEPS = 30
"""Largest number of names in the dotted path of a field; the path `adresse.pays` has two."""
MAX_FIELDS = 300
MAX_PEOPLE = 16
MAX_META_FIELDS = 16
MAX_UNION = 10
"""Largest number of alternatives in an `anyOf` of a JSON schema."""
# The time to decode n alternatives grows with n².
MAX_CACHE_S = 86_400


def excesses_of_offer(offer: Offer) -> Iterator[str]:
    """Yields a text for each limit that an offer exceeds as a whole, such as `120 operations; the limit is 100`."""
    rows = (len(msgspec.json.encode(row)) for row in offer.problems.values())
    yield from _above(
        {
            "operations": (len(offer.operations), MAX_OPERATIONS),
            "problems": (len(offer.problems), MAX_OWN_REASONS),
            "bytes in a problem": (max(rows, default=0), MAX_ROW_BYTES),
            "documents": (len(offer.documents), MAX_DOCUMENTS),
        }
    )


def excesses_of_operation(operation: Operation) -> Iterator[str]:
    """Yields a text for each limit that an operation exceeds, such as `60 reasons; the limit is 50`. Leaves out the
    limits on the lengths of texts (`long_texts_of`)."""
    checks = (*operation.checks, operation.pivot, operation.identity_checks)
    steps = (path.count(".") + 1 for path in operation.fields)
    yield from _above(
        {
            "reasons": (len(operation.reasons), MAX_OWN_REASONS),
            "checks": (sum(map(len, checks)), MAX_CHECKS),
            "objects in the schema": (_objects_in(operation.schema), MAX_SCHEMA_OBJECTS),
            "alternatives in the schema": (_widest_union(operation.schema), MAX_UNION),
            "names in the path of a field": (max(steps, default=0), MAX_FIELD_STEPS),
            "bytes in a reply": (operation.reply.size_bytes, MAX_REPLY_BYTES),
            "elements in a reply": (operation.reply.elements, MAX_REPLY_ELEMENTS),
            "fields": (len(operation.fields) + len(operation.open_fields), MAX_FIELDS),
            "people": (len(operation.people), MAX_PEOPLE),
            "fields in `meta`": (len(operation.meta_fields), MAX_META_FIELDS),
            "seconds in the cache": (operation.cache_s, MAX_CACHE_S),
        }
    )


def long_texts_of(operation: Operation) -> Iterator[str]:
    """Yields a text for each id, name or summary of `operation` that is too long. The text tells the length and the
    limit."""
    yield from _above(
        {
            "characters in `id`": (len(operation.id), MAX_WORD_LENGTH),
            "characters in `public_id`": (len(operation.public_id), MAX_WORD_LENGTH),
            "characters in `status`": (len(operation.status), MAX_WORD_LENGTH),
            "characters in `summary`": (len(operation.summary), MAX_SUMMARY_LENGTH),
        }
    )


def _above(measures: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    return (f"{number} {what}; the limit is {limit}" for what, (number, limit) in measures.items() if number > limit)


def _widest_union(node: Any) -> int:
    """Returns the number of alternatives in the largest `anyOf` of a JSON schema; 0 if the schema has no `anyOf`."""
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
