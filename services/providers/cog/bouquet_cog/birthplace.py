"""A place of birth as people write it, turned into the code that a provider wants."""

from __future__ import annotations

from msgspec.structs import replace

from bouquet_cog.source import CommuneSource
from bouquet_worker import Identite, Rejected

UNKNOWN_PLACE = "00365"


async def located(who: Identite, communes: CommuneSource) -> Identite | Rejected:
    """`who` with the code of the commune that they name, unless they have one or name none. A name that is no commune's
    of the département and the year, or that several share, is refused: without it somebody else might be found."""
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
