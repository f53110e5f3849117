"""Letters of names in ASCII: one table for what providers are asked and for who counts as the same person."""

from __future__ import annotations

import unicodedata

WHOLE = {
    **{"Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Ø": "O", "ø": "o", "Ð": "D", "ð": "d", "Đ": "D", "đ": "d"},
    **{"Þ": "Th", "þ": "th", "ß": "ss", "ẞ": "SS", "Ħ": "H", "ħ": "h", "Ł": "L", "ł": "l", "Ŀ": "L", "ŀ": "l"},
    **{"ı": "i", "Ĳ": "IJ", "ĳ": "ij", "ĸ": "k", "ŉ": "'n", "Ŋ": "NG", "ŋ": "ng", "Ŧ": "T", "ŧ": "t", "×": "x"},
}
"""Letters that have no diacritic to drop, as the hub of the family allowance funds writes them."""
_WHOLE = str.maketrans(WHOLE)


def fold(text: str) -> str:
    """The ASCII letters and digits of a text in lower case, each foreign letter as `WHOLE` or its base letter.

    Coarser than every translation that a provider is asked with: texts that are sent alike are folded alike. Letters
    of other alphabets, which are sent as `?`, fold to nothing.
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(_WHOLE)).casefold()
    return "".join(char for char in plain if char.isascii() and char.isalnum())
