"""A place of birth as people write it, turned into the code that a provider wants."""

from __future__ import annotations

from msgspec.structs import replace

from bouquet_cog.source import CommuneSource
from bouquet_worker import Identite


async def located(who: Identite, communes: CommuneSource) -> Identite:
    """`who` with the code of the commune that they name, unless they have one or do not say enough (§12.1)."""
    match who:
        case Identite(
            code_cog_insee_commune_naissance=None | "",
            nom_commune_naissance=str(nom),
            code_cog_insee_departement_naissance=str(departement),
            annee_date_naissance=int(annee),
        ):
            return replace(who, code_cog_insee_commune_naissance=await communes.find(nom, departement, annee))
        case _:
            return who
