"""Cleaning of text from outside for terminals, mails and logs."""

from __future__ import annotations

import unicodedata


def one_line(text: str) -> str:
    """Returns the text on one line. White space, control and formatting characters become spaces (Unicode categories
    C and Z)."""
    # This also removes line breaks, escape codes, NUL and direction overrides.
    return " ".join("".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in text).split())
