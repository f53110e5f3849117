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
from bouquet_mesh.settings import SettingsError
from bouquet_proto.offer import Offer, Operation, Retirement

log = logging.getLogger(__name__)

Territories: TypeAlias = Mapping[str, tuple[str, ...]]
"""By provider, the beginnings of the only paths that it may offer. Who is not named may offer any."""

MAX_DEPTH = 60
"""Of an offer's JSON; ours are less than 30 deep. What documents are made of it walks it by recursion."""
PATH = re.compile(r"(/[\w.-]+)+", re.ASCII)

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
    """`None` for what is no offer of this provider's."""
    try:
        offer = _offer.decode(data)
        whole = _is_shallow(msgspec.json.decode(data), MAX_DEPTH) and offer.provider == provider
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        whole = False
    if not whole:
        refuse(provider, "offer unreadable")
        return None
    return structs.replace(
        offer,
        operations=tuple(_believed(offer, allowed.get(provider, ("/",)))),
        documents={path: document for path, document in offer.documents.items() if _is_within(path, offer, allowed)},
    )


def refuse(provider: str, reason: str, operation: str = "") -> None:
    """`reason` is one of a closed set."""
    log.error(reason, extra={"provider": provider, "operation": operation})
    metrics.OFFERS_REFUSED.labels(provider, reason).inc()


def _believed(offer: Offer, beginnings: tuple[str, ...]) -> Iterator[Operation]:
    for operation in offer.operations:
        if not operation.path.startswith(beginnings):
            refuse(offer.provider, "path out of bounds", operation.id)
        elif not _is_plain(operation):
            refuse(offer.provider, "operation unreadable", operation.id)
        else:
            yield operation


def _is_within(path: str, offer: Offer, allowed: Territories) -> bool:
    within = path.startswith(allowed.get(offer.provider, ("/",)))
    if not within:
        refuse(offer.provider, "path out of bounds")
    return within


def _is_plain(operation: Operation) -> bool:
    """What becomes a route or a header of every answer."""
    return bool(PATH.fullmatch(operation.path)) and (
        operation.retirement is None or _is_plain_retirement(operation.retirement)
    )


def _is_plain_retirement(retirement: Retirement) -> bool:
    try:
        for day in (retirement.deprecated_on, retirement.sunset_on or retirement.deprecated_on):
            date.fromisoformat(day)
    except ValueError:
        return False
    return not retirement.successor or bool(PATH.fullmatch(retirement.successor))


def _is_shallow(node: Any, depth: int) -> bool:
    match node:
        case dict():
            return depth > 0 and all(_is_shallow(item, depth - 1) for item in node.values())
        case list():
            return depth > 0 and all(_is_shallow(item, depth - 1) for item in node)
        case _:
            return True
