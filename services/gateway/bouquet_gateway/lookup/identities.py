"""Two spellings of one person are one person: what keys and comparisons are made of. Never the keys themselves."""

from __future__ import annotations

import re
import unicodedata
from itertools import filterfalse

from bouquet_proto.identity import Identite

NOT_ALPHANUMERIC = re.compile(r"[\W_]")


def normalised(name: str) -> str:
    """Upper case, no accents, punctuation as spaces."""
    plain = "".join(filterfalse(unicodedata.combining, unicodedata.normalize("NFKD", name)))
    return " ".join(NOT_ALPHANUMERIC.sub(" ", plain).upper().split())


def regime_traits(who: Identite) -> tuple[str, ...]:
    """What the regime hint of a person hangs on: name, first first-name, birth date, sex, birth place (§6.8)."""
    return (
        normalised(who.nom_naissance),
        normalised(who.prenoms[0]) if who.prenoms else "",
        who.date_naissance(),
        who.sexe_etat_civil or "",
        who.code_cog_insee_pays_naissance or "",
        who.code_cog_insee_commune_naissance or normalised(who.nom_commune_naissance or ""),
    )
