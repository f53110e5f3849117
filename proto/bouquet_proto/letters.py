"""Letters of names in ASCII: one table for what providers are asked and for who counts as the same person."""

from __future__ import annotations

import re
import unicodedata
from itertools import filterfalse

from bouquet_proto.tidy import PLAIN

WHOLE = {
    **{"Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Ø": "O", "ø": "o", "Ð": "D", "ð": "d", "Đ": "D", "đ": "d"},
    **{"Þ": "Th", "þ": "th", "ß": "ss", "ẞ": "SS", "Ħ": "H", "ħ": "h", "Ł": "L", "ł": "l", "Ŀ": "L", "ŀ": "l"},
    **{"ı": "i", "Ĳ": "IJ", "ĳ": "ij", "ĸ": "k", "ŉ": "'n", "Ŋ": "NG", "ŋ": "ng", "Ŧ": "T", "ŧ": "t", "×": "x"},
}
"""Letters that have no diacritic to drop, as the hub of the family allowance funds writes them."""
_WHOLE = str.maketrans(WHOLE)
_NOT_KEPT = re.compile(r"[^0-9a-z]+")
LATIN_END = "\u0250"
"""The first sign after Latin letters, each of which folds by itself: combining signs come later."""


def in_ascii(text: str) -> str | None:
    """The text in ASCII, case kept: each letter as `WHOLE` has it, or without its diacritics. `None` where one is
    neither, as those of other alphabets: no sign stands for it, since nobody typed that sign."""
    if text.isascii():
        return text
    plain = text.translate(PLAIN)
    spelt = "".join(filterfalse(unicodedata.combining, _decomposed(plain)))
    invents_spaces = spelt.count(" ") > plain.count(" ")  # a diacritic by itself, as `˘`, is a space with one
    return spelt if spelt.isascii() and not invents_spaces else None


def fold(text: str) -> str:
    """The ASCII letters and digits of a text in lower case, each foreign letter as `WHOLE` or its base letter.

    Coarser than every translation that a provider is asked with: texts that are sent alike are folded alike. Letters
    of other alphabets, which no provider is asked with in ASCII, fold to nothing.
    """
    return text.translate(_FOLDED_LATIN) if text.isascii() or max(text) < LATIN_END else _folded(text)


def _folded(text: str) -> str:
    return _NOT_KEPT.sub("", _decomposed(text).casefold())


def _decomposed(text: str) -> str:
    if text.isascii():
        return text
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(_WHOLE))


_FOLDED_LATIN = str.maketrans({char: _folded(char) for char in map(chr, range(ord(LATIN_END)))})
