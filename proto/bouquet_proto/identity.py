"""Identities of people on the bus, one struct for each way to identify a person (docs/reference/upstreams/shared.md
§1)."""
# A new field needs a default, so that an older process still decodes the message.

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

Sexe: TypeAlias = Literal["M", "F"]
FRANCE = "99100"
"""INSEE code of France as a country of birth."""


def public_name(field: str) -> str:
    """Returns the name by which callers know a field of an identity, in camel case: `nomNaissance` for
    `nom_naissance`."""
    first, *rest = field.split("_")
    return first + "".join(map(str.capitalize, rest))


class Identite(Struct, frozen=True, kw_only=True, tag="identite", omit_defaults=True):
    """Identity given by civil status: names, sex, date and place of birth. The day, the day and month, or the whole
    birth date may be unknown."""

    nom_naissance: str
    nom_usage: str | None = None
    prenoms: tuple[str, ...] = ()
    annee_date_naissance: int | None = None
    mois_date_naissance: int | None = None
    jour_date_naissance: int | None = None
    sexe_etat_civil: Sexe | None = None
    code_cog_insee_pays_naissance: str | None = None
    code_cog_insee_commune_naissance: str | None = None
    nom_commune_naissance: str | None = None
    code_cog_insee_departement_naissance: str | None = None

    def date_naissance(self) -> str:
        """Returns the birth date as `YYYY-MM-DD`; unknown parts are zeros, as in `1990-05-00`."""
        # Zeros are also given for a month without a year and a day without a month (docs/reference/upstreams/shared.md
        # §2).
        year = self.annee_date_naissance or 0
        month = (self.mois_date_naissance or 0) if year else 0
        day = (self.jour_date_naissance or 0) if month else 0
        return "%04d-%02d-%02d" % (year, month, day)  # noqa: UP031 - half the time of an f-string, ten times a lookup

    def commune_in_france(self) -> str | None:
        """Returns the INSEE code of the commune of birth. Returns None if the commune is unknown or not in France."""
        abroad = self.code_cog_insee_pays_naissance not in (None, "", FRANCE)
        return None if abroad else self.code_cog_insee_commune_naissance or None


class Ine(Struct, frozen=True, kw_only=True, tag="ine"):
    """National student number (INE), eleven characters."""

    ine: str


class Identifiant(Struct, frozen=True, kw_only=True, tag="identifiant"):
    """Identifier that the provider itself gave to the person, and by which the provider finds the person."""

    identifiant: str


class NumeroAllocataire(Struct, frozen=True, kw_only=True, tag="numero_allocataire"):
    """Number of a family's file at a CAF, with the postal code of the file's holder. The number has 5 to 7 digits."""

    # The digits are kept as the caller gave them.

    numero_allocataire: str
    code_postal: str


Identity: TypeAlias = Identite | Ine | Identifiant | NumeroAllocataire

MODALITIES: dict[str, type[Identity]] = {
    "identite": Identite,
    "france_connect": Identite,
    "ine": Ine,
    "identifiant": Identifiant,
    "numero_allocataire": NumeroAllocataire,
}
"""Type of the identity for each modality (way to identify a person)."""
