"""Text for terminals and log lines, in which control characters are visible and have no effect."""

from __future__ import annotations

import unicodedata


def escape_control_characters(text: str) -> str:
    r"""Returns the text with `\uXXXX` in place of each control or formatting character, such as those of terminal
    escape codes. Keeps line breaks and tabs."""
    # In JSON, these escapes stand for the replaced characters.
    if text.isprintable():
        return text
    return "".join(one if one in "\n\t" or _is_visible(one) else _escape(one) for one in text)


def _is_visible(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] != "C" and category not in ("Zl", "Zp")


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", errors="surrogatepass").hex()
    return "".join(rf"\u{units[at : at + 4]}" for at in range(0, len(units), 4))
