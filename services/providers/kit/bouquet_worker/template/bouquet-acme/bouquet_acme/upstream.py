"""The upstream's answers: the fields that the worker reads, and the tables of the upstream's codes."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bouquet_worker import IsoDate

FAILURES = {429: "upstream_rate_limited", 500: "upstream_internal"}
"""Failure reasons by HTTP status. The worker's `read` handles 200 and the upstream's own 404; the
upstream documents no others."""

STATUTS: dict[str, Literal["ouvert", "suspendu", "clos"]] = {
    "O": "ouvert",
    "S": "suspendu",
    "C": "clos",
}
"""Published values of `statut`, by the upstream's value of `state`."""


class Holder(Struct, frozen=True, rename="camel"):
    """The person to whom a file belongs."""

    last_name: str
    first_name: str | None = None
    """First name, blank or absent where it is unknown."""


class File(Struct, frozen=True, rename="camel"):
    """The body of an answer with status 200: one file."""

    state: str
    opened_at: IsoDate
    holder: Holder


class NoSuchFile(Struct, frozen=True):
    """The body of the 404 that the upstream gives for an unknown number. A 404 with another body comes from a proxy, or
    from a wrong URL in the settings."""

    error: Literal["no such file"]
