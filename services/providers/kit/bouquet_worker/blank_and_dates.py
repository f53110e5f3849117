"""Conversion of texts in upstreams' answers: a blank text becomes `None`, and a date with a time of day becomes a date
(docs/reference/upstreams/shared.md §2, docs/reference/upstreams/france_travail.md §2)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

_ISO_DAY = r"\d{4}-\d{2}-\d{2}(T|\Z)"

IsoDate: TypeAlias = Annotated[str, Meta(pattern=rf"^{_ISO_DAY}")]
IsoDateOrBlank: TypeAlias = Annotated[str, Meta(pattern=rf"^(\s*\Z|{_ISO_DAY})")]
"""Text of an upstream's answer: blank, or an ISO date (`YYYY-MM-DD`) with or without a time after it."""


def none_if_blank(text: str | None) -> str | None:
    """Returns the text unchanged, or `None` if the text is blank or `None`."""
    return text if text and text.strip() else None


def day_of(moment: str) -> str:
    # The local day, as it is written: converted to UTC, a French midnight would move to the day before.
    return moment[:10]


def day_or_none(moment: str | None) -> str | None:
    """Returns the day of an ISO date, with or without a time of day, as `YYYY-MM-DD`. Returns `None` if `moment` is
    blank or `None`."""
    text = none_if_blank(moment)
    return day_of(text) if text else None
