"""Completion of a birth place by the commune's code, found by its name."""

from __future__ import annotations

from msgspec.structs import replace

from bouquet_cog.source import CommuneSource
from bouquet_worker import Identite, Rejected

UNKNOWN_PLACE = "00365"
"""Reason of the refusal if a place of birth fits no commune or several."""


async def with_commune_code(who: Identite, communes: CommuneSource) -> Identite | Rejected:
    """Returns the person with the commune code of the birth place, if it was given by name. Returns a refusal if no
    commune of the département, or several, had this name. Raises `UpstreamError` if `communes` cannot be asked."""
    # Without its place of birth, another person might be found.
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
