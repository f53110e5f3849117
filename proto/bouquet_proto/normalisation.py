"""Normalisation of text that people have typed, before validation: typographic apostrophes, hyphens and spaces become
plain ones. Letters, accents and case stay as they are."""

from __future__ import annotations

import re
import unicodedata

from msgspec import structs

from bouquet_proto.identity import Identite

APOSTROPHES = "\u2018\u2019\u201a\u201b\u02b9\u02bb\u02bc\u02bd\u02c8\u02ca\u02cb\u2032\u2035\uff07`\u00b4"
HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63\uff0d"
SPACES = "".join(char for char in map(chr, range(0x3001)) if unicodedata.category(char) == "Zs")
INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
"""Invisible characters, such as soft hyphens and byte order marks, which are removed from typed text."""

PLAIN = (
    dict.fromkeys(map(ord, APOSTROPHES), "'")
    | dict.fromkeys(map(ord, HYPHENS), "-")
    | dict.fromkeys(map(ord, SPACES), " ")
    | dict.fromkeys(map(ord, INVISIBLE))
)
"""Table for `str.translate` that makes typed text plain. Typographic characters become those of a keyboard; invisible
characters are removed."""
_DIGIT = re.compile(r"\d", re.ASCII)
_WORD = re.compile(r"[^\W\d_]{3}")

CODES = frozenset(
    {
        "sexe_etat_civil",
        "code_cog_insee_pays_naissance",
        "code_cog_insee_commune_naissance",
        "code_cog_insee_departement_naissance",
        "ine",
        "numero_allocataire",
        "code_postal",
        "code_etablissement",
        "degre_etablissement",
        "codes_bcn_departements",
        "codes_bcn_regions",
    }
)
"""Names of the fields that hold codes. Before validation, a code loses its spaces and becomes upper case."""


def normalised(field: str, text: str) -> str:
    """Returns `text`, the value of the field named `field`, in normalised form: plain apostrophes and hyphens, single
    spaces. A code also loses all spaces and becomes upper case. The field `identifiant` only loses the spaces at its
    ends."""
    if field == "identifiant":  # the provider's own form: only its ends are trimmed
        return text.strip(SPACES + INVISIBLE)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.translate(PLAIN))
    elif text.isdecimal():  # numbers, dates' parts and most codes: nothing to tidy
        return text
    elif "`" in text:
        text = text.replace("`", "'")
    if field in CODES and _is_code(field, text):
        return text.replace(" ", "").upper()
    text = text.strip(" ")
    return " ".join(filter(None, text.split(" "))) if "  " in text else text


def _is_code(field: str, text: str) -> bool:
    """Returns whether `text` is a code. Some fields in `CODES` may hold a name instead, such as a commune's."""
    return bool(_DIGIT.search(text)) and (field == "ine" or not _WORD.search(text))


def normalised_identity(identity: Identite) -> Identite:
    """Returns a copy of an identity, such as one from FranceConnect, with each text normalised as by `normalised`."""
    texts = {name: value for name, value in structs.asdict(identity).items() if isinstance(value, str)}
    changed = {name: text for name, value in texts.items() if (text := normalised(name, value)) != value}
    first_names = tuple(normalised("prenoms", name) for name in identity.prenoms)
    if first_names != identity.prenoms:
        return structs.replace(identity, **changed, prenoms=first_names)
    return structs.replace(identity, **changed) if changed else identity
