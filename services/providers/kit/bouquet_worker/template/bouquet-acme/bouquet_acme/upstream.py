"""What the upstream answers, in its own words: only the fields that are read, and its tables of codes."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bouquet_worker import IsoDate

FAILURES = {429: "upstream_rate_limited", 500: "upstream_internal"}
"""By status. A 404 of their own is an answer; any other than 200 is unknown to us."""

STATUTS: dict[str, Literal["ouvert", "suspendu", "clos"]] = {
    "O": "ouvert",
    "S": "suspendu",
    "C": "clos",
}


class Holder(Struct, frozen=True, rename="camel"):
    last_name: str
    first_name: str | None = None


class File(Struct, frozen=True, rename="camel"):
    state: str
    opened_at: IsoDate
    holder: Holder


class NoSuchFile(Struct, frozen=True):
    """Their 404. One without it comes from somebody else: a proxy, or a wrong path in our settings."""

    error: Literal["no such file"]
