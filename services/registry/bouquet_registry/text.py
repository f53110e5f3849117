"""Cleaning of text from outside for terminals, mails and logs."""

from __future__ import annotations

import unicodedata


def one_line(text: str) -> str:
    """Returns the text on one line: runs of white space, line breaks, control and formatting characters become one
    space.

    Escape codes, NUL and direction overrides are such characters (Unicode categories C and Z).
    """
    return " ".join("".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in text).split())
