"""Answers of the upstream: the fields that the worker reads, and the upstream's codes."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bouquet_worker import IsoDate, Public

FAILURES = {429: "upstream_rate_limited", 500: "upstream_internal"}
"""Failure reasons by HTTP status of the upstream's answer."""

STATUTS: dict[str, Literal["ouvert", "suspendu", "clos"]] = {
    "O": "ouvert",
    "S": "suspendu",
    "C": "clos",
}
"""Published `statut` for each `state` of the upstream."""


class Holder(Struct, frozen=True, rename="camel"):
    last_name: str
    first_name: str | None = None


class File(Struct, frozen=True, rename="camel"):
    state: Public[str]
    opened_at: IsoDate
    holder: Holder


class NoSuchFile(Struct, frozen=True):
    """Body of a 404 that comes from the upstream itself: the file number is unknown."""

    error: Public[Literal["no such file"]]
