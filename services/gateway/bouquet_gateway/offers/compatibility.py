"""Comparison of two offers (descriptions of operations) of the same provider: finds the fields that the later offer has
removed or changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bouquet_gateway.offers.checks import OfferRefusal
from bouquet_proto.offer import Offer, Operation
from bouquet_proto.offer_limits import MAX_WORD_LENGTH


def lost_fields(served: Offer, later: Offer) -> Iterator[OfferRefusal]:
    """Yields a refusal for each field of `served` that `later` removes or changes. An additional JSON type, such as
    null, is a change. Compares only operations that both offers have."""
    # Operations with a plan are served as the gateway itself defines them.
    known = {operation.id: operation for operation in served.operations if not operation.plan}
    for operation in later.operations:
        if operation.id in known:
            yield from _lost(known[operation.id], operation)


def _lost(served: Operation, later: Operation) -> Iterator[OfferRefusal]:
    fields = dict(_types(later.schema, ""))
    for path, types in _types(served.schema, ""):
        if path not in fields:
            yield OfferRefusal("field removed", later.id[:MAX_WORD_LENGTH], path)
        elif not fields[path] <= types:
            yield OfferRefusal("field changed", later.id[:MAX_WORD_LENGTH], path)


def _types(schema: Any, path: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yields each field of a JSON schema: its dotted path, which begins with `path`, and the names of its JSON
    types."""
    for option in _options(schema):
        properties = option.get("properties")
        for name, field in properties.items() if isinstance(properties, dict) else ():
            own = f"{path}.{name}".lstrip(".")
            yield own, frozenset(str(one.get("type", "")) for one in _options(field))
            yield from _types(field, own)


def _options(schema: Any) -> Iterator[dict[str, Any]]:
    """Yields the alternatives (`anyOf`) of a JSON schema, or the schema itself without `anyOf`. For a list, yields the
    alternatives of its items."""
    match schema:
        case {"anyOf": list(options)}:
            for option in options:
                yield from _options(option)
        case {"items": dict(items)}:
            yield from _options(items)
        case dict():
            yield schema
