"""Answers of the upstream: the fields that the worker reads, and the upstream's codes."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bouquet_worker import IsoDate

FAILURES = {429: "upstream_rate_limited", 500: "upstream_internal"}
"""Failure reasons by HTTP status of the upstream's answer. `read` in `worker.py` handles 200 and 404."""

STATUTS: dict[str, Literal["ouvert", "suspendu", "clos"]] = {
    "O": "ouvert",
    "S": "suspendu",
    "C": "clos",
}
"""For each `state` of the upstream, the published `statut`."""


class Holder(Struct, frozen=True, rename="camel"):
    last_name: str
    first_name: str | None = None
    """First name; blank or absent if unknown."""


class File(Struct, frozen=True, rename="camel"):
    """File: the body of a 200."""

    state: str
    opened_at: IsoDate
    holder: Holder


class NoSuchFile(Struct, frozen=True):
    """Body of the upstream's own 404, for an unknown file number."""

    error: Literal["no such file"]
