"""Which commune a typed name means: the same letters, whatever their dress, then the same words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

Named: TypeAlias = tuple[str, str]
"""A commune's normalised name, and its code."""

_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae"})
_WORD = re.compile(r"[a-z]+|[0-9]+")
_IN_FULL = {"st": "saint", "ste": "sainte"}
_ARRONDISSEMENT = re.compile(r"\b0*([0-9]+)(?: (?:er|e|eme)\b)?(?: arr[a-z]*)?")
_ARTICLE = re.compile(r"^(?:le|la|les|l) ")


def normalised(nom: str) -> str:
    """`L'Haÿ-les-Roses` is `l hay les roses`, `STE-FOY` is `sainte foy`, `Paris 1er Arrondissement` is `paris 1`."""
    letters = unicodedata.normalize("NFKD", nom.casefold().translate(_LIGATURES))
    words = _WORD.findall("".join(letter for letter in letters if not unicodedata.combining(letter)))
    return _ARRONDISSEMENT.sub(r"\1", " ".join(_IN_FULL.get(word, word) for word in words))


def bare(name: str) -> str:
    """A normalised name without its article, which people add and leave out."""
    return _ARTICLE.sub("", name)


def choose(nom: str, *groups: Collection[Named], is_borne: Callable[[str], bool]) -> str | None:
    """The one code of the closest likeness, in the first group where it occurs. Several are none: no guess.

    A name's first words are what people call a place, unless they are some commune's whole name: `Dives` in 14 may be
    Dives-sur-Mer, or Dives under a wrong département. `is_borne` tells it of a bare name, for the whole country. A word
    within a name is no likeness: `Paris` is not Le Touquet-Paris-Plage.
    """
    asked = normalised(nom)
    if not asked:
        return None
    words = bare(asked)
    codes = _first(groups, lambda name: name == asked) or _first(groups, lambda name: bare(name) == words)
    if not codes and not is_borne(words):
        codes = _first(groups, lambda name: bare(name).startswith(f"{words} "))
    return codes.pop() if len(codes) == 1 else None


def _first(groups: Iterable[Collection[Named]], is_alike: Callable[[str], bool]) -> set[str]:
    """The codes of the names that are alike, in the first group that has any."""
    found = ({code for name, code in group if is_alike(name)} for group in groups)
    return next(filter(None, found), set())
