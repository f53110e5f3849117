"""How administrations write: blanks for nothing, and days as moments (upstreams/01 §1.2, upstreams/10 §10.2)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

_ISO_DAY = r"\d{4}-\d{2}-\d{2}(T|\Z)"

Moment: TypeAlias = Annotated[str, Meta(pattern=rf"^{_ISO_DAY}")]
"""For a field of an upstream's struct: an ISO date, with or without its time."""
PerhapsMoment: TypeAlias = Annotated[str, Meta(pattern=rf"^(\s*\Z|{_ISO_DAY})")]
"""The same, or a blank."""


def present(text: str | None) -> str | None:
    """Blank is as good as absent."""
    return text if text and text.strip() else None


def day_of(moment: str) -> str:
    """The local day as it is written. Through UTC every French birth would move to the day before."""
    return moment[:10]


def known_day(moment: str | None) -> str | None:
    text = present(moment)
    return day_of(text) if text else None
