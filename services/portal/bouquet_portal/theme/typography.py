"""French typography of HTML: no-break spaces, apostrophes and ellipses in text, never in code."""

from __future__ import annotations

import re
from collections.abc import Callable

NARROW = "\u202f"
"""Narrow no-break space, before `;`, `!` and `?` and between groups of digits."""
WIDE = "\u00a0"
"""No-break space, before `:` and units, and inside « »."""

LEFT_ALONE = ("code", "pre", "script", "style", "textarea", "kbd", "samp", "svg")
"""HTML elements whose text keeps its spaces and signs, since it is not prose."""

_SIGN = re.compile(r"['&;!?:«»%€.]|\d")
"""Pattern of the signs that French typography may change."""
# A text without them is returned unchanged at once.
_TOKEN = re.compile(r"(<!--.*?-->|<[^>]*>)", re.DOTALL)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)")
_APOSTROPHE = "(?:'|&#x27;|&#39;)"

_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(rf"(?<=[A-Za-zÀ-ÿŒœ]){_APOSTROPHE}(?=[A-Za-zÀ-ÿŒœ0-9«(]|$)"), "\u2019"),
    (re.compile(r"\s+([;!?])(?!\w)"), NARROW + r"\1"),
    (re.compile(r"\s+:(?=\s|$)"), WIDE + ":"),
    (re.compile(r"«\s*"), "«" + WIDE),
    (re.compile(r"\s*»"), WIDE + "»"),
    (re.compile(r"(?<=\d)\s+(?=[%€])"), WIDE),
    (re.compile(r"(?<=\bn°)\s+(?=\d)"), WIDE),
    (re.compile(r"(?<=\d) h (?=\d)"), f"{WIDE}h{WIDE}"),
    (
        re.compile(r"(?<![\d.,])\d{1,3}(?: \d{3})+(?!\d)"),
        lambda match: match[0].replace(" ", NARROW),
    ),
    (re.compile(r"\.\.\."), "…"),
)


def french(text: str) -> str:
    """Returns a French text with typographic signs and no-break spaces, such as the one before `?` in `Pourquoi ?`."""
    if not _SIGN.search(text):
        return text
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def french_html(html: str) -> str:
    """Applies French typography to the text in HTML. Leaves attributes, and the elements in `LEFT_ALONE`, as they
    are."""
    parts = _TOKEN.split(html)
    within = 0
    for number, part in enumerate(parts):
        if number % 2:
            within = max(0, within + _step(part))
        elif not within and part:
            parts[number] = french(part)
    return "".join(parts)


def _step(tag: str) -> int:
    """Returns 1 for the start tag of an element in `LEFT_ALONE`, -1 for its end tag, and 0 for other tags."""
    # The sum over all tags so far is the number of such elements that are still open.
    match = _TAG.match(tag)
    if match is None or match[2].lower() not in LEFT_ALONE or tag.endswith("/>"):
        return 0
    return -1 if match[1] else 1
