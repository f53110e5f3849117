"""Which commune a typed name means: the same letters, whatever their dress, then the same words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection
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


def _bare(name: str) -> str:
    """Without its article, which people add and leave out."""
    return _ARTICLE.sub("", name)


_CAPITAL = re.compile(
    r"""agen | annecy | arras | avignon | beauvais | belfort | blois | bordeaux | chambery | chartres | chateauroux
    | chaumont | laval | limoges | lyon | marseille | metz | montauban | montpellier | moulins | nancy | nantes
    | niort | paris | rennes | rochelle | saint\ (?:brieuc | denis | etienne | lo) | toulon | toulouse | tours | valence
    | vannes""",
    re.VERBOSE,
)
"""The seats of départements whose name other communes' begin with: who says one means it, wherever they put it."""


def _begins_with(name: str, asked: str) -> bool:
    words = _bare(asked)
    return _bare(name).startswith(f"{words} ") and not _CAPITAL.fullmatch(words)


_LIKENESSES: tuple[Callable[[str, str], bool], ...] = (
    lambda name, asked: name == asked,
    lambda name, asked: _bare(name) == _bare(asked),
    _begins_with,
)
"""From the closest. A name's first words are what people call a place, unless they are a better known one's (`Toulouse`
is not Toulouse-le-Château); a word within it may well be another place's: `Paris` is not Le Touquet-Paris-Plage."""


def choose(nom: str, *groups: Collection[Named]) -> str | None:
    """The one code of the closest likeness, in the first group where it occurs. Several are none: no guess."""
    asked = normalised(nom)
    if not asked:
        return None
    for alike in _LIKENESSES:
        for group in groups:
            codes = {code for name, code in group if alike(name, asked)}
            if codes:
                return codes.pop() if len(codes) == 1 else None
    return None
