"""Requests to the DSNJ's API of national service, and the API's answers (docs/reference/upstreams/dsnj.md §1-3)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bouquet_dsnj.contract import Statut
from bouquet_worker import Identite, to_ascii

GENDERS = {"M": "male", "F": "female"}
STATUSES: dict[str | None, Statut] = {
    "En règle": "en_regle",
    "Pas en règle": "pas_en_regle",
    "Indéterminé": "indetermine",
    "Non concerné": "non_concerne",
}
"""Maps the DSNJ's label of a status to the published status. The status of an unknown label is published as null."""


class Pivot(Struct, frozen=True, kw_only=True):
    """Civil status of the person asked about. `birthplace` is `None` for a birth abroad or at an unknown place."""

    given_name: str
    family_name: str
    birthdate: str
    gender: str
    birthplace: str | None
    birthcountry: str


class Search(Struct, frozen=True, kw_only=True):
    """Body of a request to the DSNJ: a search for one person."""

    identites_pivot: tuple[Pivot]


class Found(Struct, frozen=True, tag_field="code", tag="OK"):
    en_regle: str | None
    complement: str | None = None


class Unknown(Struct, frozen=True, tag_field="code", tag="NON_TROUVE"):
    """Result about a person whom the DSNJ does not know."""


class Results(Struct, frozen=True):
    """Body of an answer about one person: the return code `OK` and exactly one result. Any other body is malformed."""

    return_code: Literal["OK"]
    results: tuple[Found | Unknown]


def search_for(who: Identite) -> Search:
    """Returns the search for a person, with names in ASCII and the birth name in capitals. Only the first of several
    first names is sent."""
    return Search(
        identites_pivot=(
            Pivot(
                given_name=_plain(who.prenoms[0].capitalize()),
                family_name=_plain(who.nom_naissance.upper()),
                birthdate=who.date_naissance(),
                gender=GENDERS[who.sexe_etat_civil or ""],
                birthplace=who.commune_in_france(),
                birthcountry=who.code_cog_insee_pays_naissance or "",
            ),
        )
    )


def _plain(name: str) -> str:
    return to_ascii(name) or name
