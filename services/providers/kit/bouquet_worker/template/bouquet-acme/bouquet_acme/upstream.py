"""The upstream's answers: the fields that the worker reads, and the tables of the upstream's codes."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bouquet_worker import IsoDate

FAILURES = {429: "upstream_rate_limited", 500: "upstream_internal"}
"""Failure reasons by HTTP status of the upstream's answer. The upstream documents two more statuses, 200 and 404, which
`read` in `worker.py` handles."""

STATUTS: dict[str, Literal["ouvert", "suspendu", "clos"]] = {
    "O": "ouvert",
    "S": "suspendu",
    "C": "clos",
}
"""Published value of the field `statut` for each value of the upstream's field `state`."""


class Holder(Struct, frozen=True, rename="camel"):
    """The person to whom a file belongs."""

    last_name: str
    first_name: str | None = None
    """First name, which is blank or absent if it is unknown."""


class File(Struct, frozen=True, rename="camel"):
    """The body of an answer with status 200: one file."""

    state: str
    opened_at: IsoDate
    holder: Holder


class NoSuchFile(Struct, frozen=True):
    """Body of the upstream's 404 for an unknown file number. A 404 with another body has another cause, such as a proxy
    or a wrong URL in the settings."""

    error: Literal["no such file"]
