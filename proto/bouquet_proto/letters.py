"""Conversion of names to ASCII letters, for providers and for comparisons."""

from __future__ import annotations

import re
import unicodedata
from itertools import filterfalse

from bouquet_proto.normalisation import PLAIN

ASCII_SPELLINGS = {
    **{"Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Ø": "O", "ø": "o", "Ð": "D", "ð": "d", "Đ": "D", "đ": "d"},
    **{"Þ": "Th", "þ": "th", "ß": "ss", "ẞ": "SS", "Ħ": "H", "ħ": "h", "Ł": "L", "ł": "l", "Ŀ": "L", "ŀ": "l"},
    **{"ı": "i", "Ĳ": "IJ", "ĳ": "ij", "ĸ": "k", "ŉ": "'n", "Ŋ": "NG", "ŋ": "ng", "Ŧ": "T", "ŧ": "t", "×": "x"},
}
"""ASCII spellings of letters that do not decompose into a base letter and a diacritic, such as `OE` for `Œ`."""
_ASCII_SPELLINGS = str.maketrans(ASCII_SPELLINGS)
_NOT_KEPT = re.compile(r"[^0-9a-z]+")
LATIN_END = "\u0250"
"""First Unicode character after the blocks of Latin letters. `fold` is faster for names with only earlier
characters."""
# Names with later characters need Unicode normalisation, which takes longer.
# No character below this one combines with the character before it in a text, so `fold` can convert each Latin letter
# by itself.


def to_ascii(text: str) -> str | None:
    """Returns the text in ASCII, without diacritics and with its case unchanged, or None if it has no ASCII
    spelling."""
    if text.isascii():
        return text
    plain = text.translate(PLAIN)
    spelt = "".join(filterfalse(unicodedata.combining, _decomposed(plain)))
    invents_spaces = spelt.count(" ") > plain.count(
        " "
    )  # a lone diacritic, such as `˘`, decomposes to a space and the diacritic
    return spelt if spelt.isascii() and not invents_spaces else None


def fold(text: str) -> str:
    """Returns a name in lower case, reduced to ASCII letters and digits: `Zoé-Anne` becomes `zoeanne`. Letters of other
    alphabets are dropped."""
    if text.isascii() and text.isalnum():
        return text.lower()
    return text.translate(_FOLDED_LATIN) if text.isascii() or max(text) < LATIN_END else _folded(text)


def _folded(text: str) -> str:
    return _NOT_KEPT.sub("", _decomposed(text).casefold())


def _decomposed(text: str) -> str:
    if text.isascii():
        return text
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(_ASCII_SPELLINGS))


_FOLDED_LATIN = str.maketrans({char: _folded(char) for char in map(chr, range(ord(LATIN_END)))})
