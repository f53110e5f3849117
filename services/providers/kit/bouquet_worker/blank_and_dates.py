"""How administrations write: blanks for nothing, and a day with its time (docs/reference/upstreams/shared.md §2,
docs/reference/upstreams/france_travail.md §2)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

_ISO_DAY = r"\d{4}-\d{2}-\d{2}(T|\Z)"

IsoDate: TypeAlias = Annotated[str, Meta(pattern=rf"^{_ISO_DAY}")]
"""Type of a field that holds an ISO date, with or without a time after it."""
IsoDateOrBlank: TypeAlias = Annotated[str, Meta(pattern=rf"^(\s*\Z|{_ISO_DAY})")]
"""Type of a field that holds such a date, or a blank."""


def none_if_blank(text: str | None) -> str | None:
    """The text, or `None` where it is empty or spaces alone."""
    return text if text and text.strip() else None


def day_of(moment: str) -> str:
    """The day that a date with or without its time writes, as `YYYY-MM-DD`."""
    # The local day, as it is written: through UTC every French birth would move to the day before.
    return moment[:10]


def day_or_none(moment: str | None) -> str | None:
    """The same, or `None` of a blank."""
    text = none_if_blank(moment)
    return day_of(text) if text else None
