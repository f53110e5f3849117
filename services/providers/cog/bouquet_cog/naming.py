"""Search for a commune by a name that a person has typed: the commune's whole name, or its first words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

Named: TypeAlias = tuple[str, str]

_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae"})
_WORD = re.compile(r"[a-z]+|[0-9]+")
_IN_FULL = {"st": "saint", "ste": "sainte"}
_ARRONDISSEMENT = re.compile(r"\b0*([0-9]+)(?: (?:er|e|eme)\b)?(?: arr[a-z]*)?")
_ARTICLE = re.compile(r"^(?:le|la|les|l) ")


def normalised(nom: str) -> str:
    """Returns a name in lower case, without accents, punctuation and abbreviations.

    `L'Haÿ-les-Roses` becomes `l hay les roses`, `STE-FOY` becomes `sainte foy`, `Paris 1er Arrondissement` becomes
    `paris 1`.
    """
    letters = unicodedata.normalize("NFKD", nom.casefold().translate(_LIGATURES))
    words = _WORD.findall("".join(letter for letter in letters if not unicodedata.combining(letter)))
    return _ARRONDISSEMENT.sub(r"\1", " ".join(_IN_FULL.get(word, word) for word in words))


def bare(name: str) -> str:
    """Returns a normalised name without the article at its beginning (`fleche` for `la fleche`)."""
    return _ARTICLE.sub("", name)


def choose(nom: str, *groups: Collection[Named], is_whole_name: Callable[[str], bool]) -> str | None:
    """Returns the code of the commune that a typed name means, or `None` where no commune fits, or several fit equally.

    The first words of a commune's name may stand for the commune, unless the words are another commune's whole name.
    Later words never do: `Paris` does not mean Le Touquet-Paris-Plage.

    Args:
        nom: Name as it was typed.
        groups: Communes to choose from; the first group with a match counts.
        is_whole_name: Function that tells whether a commune of the country has exactly this name, without its article.
    """
    asked = normalised(nom)
    if not asked:
        return None
    words = bare(asked)
    codes = _first(groups, lambda name: name == asked) or _first(groups, lambda name: bare(name) == words)
    if not codes and not is_whole_name(words):
        codes = _first(groups, lambda name: bare(name).startswith(f"{words} "))
    return codes.pop() if len(codes) == 1 else None


def _first(groups: Iterable[Collection[Named]], is_alike: Callable[[str], bool]) -> set[str]:
    """Returns the codes of the communes whose name `is_alike` accepts, in the first group with a match; else an empty
    set."""
    found = ({code for name, code in group if is_alike(name)} for group in groups)
    return next(filter(None, found), set())
