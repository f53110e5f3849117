"""Search for the INSEE code of the commune in which a person was born, by the commune's name."""

from __future__ import annotations

from msgspec.structs import replace

from bouquet_cog.source import CommuneSource
from bouquet_worker import Identite, Rejected

UNKNOWN_PLACE = "00365"
"""Reason and error code for a birth place whose name fits no commune, or several."""


async def with_commune_code(who: Identite, communes: CommuneSource) -> Identite | Rejected:
    """Returns the person, with the code of the commune of birth if a birth place is given. Returns `Rejected` unless
    exactly one commune fits. Raises `UpstreamError` if the look-up fails."""
    # A missing code is looked up by the commune's name, the département and the year of birth.
    # A person who already has the code, or has neither name nor département, is returned unchanged. Any other place
    # must be found: a search without it might find another person.
    match who:
        case Identite(code_cog_insee_commune_naissance=str(code)) if code.strip():
            return who
        case Identite(nom_commune_naissance=None | "", code_cog_insee_departement_naissance=None | ""):
            return who
        case Identite(
            nom_commune_naissance=str(nom),
            code_cog_insee_departement_naissance=str(departement),
            annee_date_naissance=int(annee),
        ) if found := await communes.find(nom, departement, annee):
            return replace(who, code_cog_insee_commune_naissance=found)
        case _:
            return Rejected(UNKNOWN_PLACE)
