"""Search in French texts that ignores accents, case and plural endings."""

from __future__ import annotations

import re
import unicodedata


def simplified(text: str) -> str:
    """Returns a text in lower case without accents, its words separated by single spaces."""
    folded = text.casefold().replace("œ", "oe").replace("æ", "ae")
    letters = unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode()
    return " ".join(re.findall(r"[a-z0-9]+", letters))


def words(query: str) -> tuple[str, ...]:
    """Returns the first twelve words of a search, in lower case and without accents. Words of four or more letters lose
    every final `s` and `x`."""
    # These letters may mark a plural.
    return tuple(word.rstrip("sx") if len(word) > 3 else word for word in simplified(query).split())[:12]


def rank(query: tuple[str, ...], *texts: str) -> int | None:
    """Returns how well texts, the most important first, match the words of a search; 0 is best. Returns None if a word
    occurs in no text. `query` is a result of `words`, and `texts` are results of `simplified`."""
    # Each word adds the index of the first text that contains it.
    places = [next((place for place, text in enumerate(texts) if word in text), None) for word in query]
    return None if None in places else sum(place for place in places if place is not None)
