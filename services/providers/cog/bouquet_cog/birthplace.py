"""Search for a commune's code by its name, for a person who was born there."""

from __future__ import annotations

from msgspec.structs import replace

from bouquet_cog.source import CommuneSource
from bouquet_worker import Identite, Rejected

UNKNOWN_PLACE = "00365"
"""Reason for refusing a birth place that fits no commune, or more than one. The reason is itself the error code that
the caller receives."""


async def with_commune_code(who: Identite, communes: CommuneSource) -> Identite | Rejected:
    """Returns the person with the code of the commune of birth, looked up by the commune's name, département and the
    year of birth. A person who already has the code, or has neither name nor département, is returned unchanged.
    Returns `Rejected` unless exactly one commune fits; raises `UpstreamError` if the look-up fails."""
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
