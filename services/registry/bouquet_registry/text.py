"""Cleaning of texts that come from outside, before they appear in terminals, mails and logs."""

from __future__ import annotations

import re
import unicodedata

TOKEN = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]{16,}")
"""Pattern of the signed text (JWT) of a token. `eyJ` is the Base64 form of `{"`, with which its header begins."""


def one_line(text: str) -> str:
    """Returns a text on one line. Each run of white space, control and formatting characters becomes one space."""
    # This also removes line breaks, escape codes, NUL and direction overrides.
    return " ".join("".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in text).split())


def contains_token(text: str) -> bool:
    """Returns whether a text contains the signed text of a token."""
    return TOKEN.search(text) is not None
