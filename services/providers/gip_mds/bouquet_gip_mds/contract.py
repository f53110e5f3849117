"""Contracts of a person's civic service, as the API publishes them (docs/reference/contract.md §1.6.9)."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from bouquet_worker import Check, Modality, Operation, absence, operation

Day: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date"})]


class OrganismeAccueil(Struct, frozen=True, kw_only=True):
    siret: Annotated[str | None, Meta(description="SIRET de l'organisme d'accueil. Null : aucun contrat, ou inconnu")]
    raison_sociale: Annotated[
        str | None, Meta(description="Raison sociale de l'organisme d'accueil. Null : aucun contrat, ou inconnue")
    ]


class Contrat(Struct, frozen=True, kw_only=True):
    contrat_trouve: Annotated[bool, Meta(description="Un contrat de service civique a été trouvé")]
    organisme_accueil: Annotated[OrganismeAccueil, Meta(description="Organisme qui accueille le volontaire")]
    date_debut_contrat: Annotated[Day | None, Meta(description="Premier jour du contrat, AAAA-MM-JJ")]
    date_fin_contrat: Annotated[
        Day | None, Meta(description="Dernier jour du contrat, prévu si le contrat est en cours, AAAA-MM-JJ")
    ]


NO_CONTRACT = Contrat(
    contrat_trouve=False,
    organisme_accueil=OrganismeAccueil(siret=None, raison_sociale=None),
    date_debut_contrat=None,
    date_fin_contrat=None,
)


class ServiceCivique(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    statut_actuel: Annotated[Contrat, Meta(description="Contrat de service civique en cours")]
    statut_passe: Annotated[Contrat, Meta(description="Contrat de service civique terminé, le dernier s'il y en a eu")]


CURRENT, PAST, HOST, DATES = (
    f"gip_mds_service_civique_{name}" for name in ("statut_actuel", "statut_passe", "organisme_accueil", "dates")
)
FIELDS: dict[str, tuple[str, ...]] = {
    path: scopes
    for block, scope in (("statut_actuel", CURRENT), ("statut_passe", PAST))
    for path, scopes in (
        (block, (scope,)),
        (f"{block}.organisme_accueil", (HOST,)),
        (f"{block}.date_debut_contrat", (DATES,)),
        (f"{block}.date_fin_contrat", (DATES,)),
    )
}

UNKNOWN_PERSON = "unknown_person"
SEVERAL = "identity_ambiguous"
PROBLEMS = {UNKNOWN_PERSON: absence()}


def _service_civique(
    name: str, modality: Modality, *checks: tuple[Check, ...], pivot: tuple[Check, ...] = ()
) -> Operation:
    """Returns the operation about the civic service of a person who is found by `modality` (kind of identity). `name`
    is the end of the operation's id. `checks` are the rules for parameters, and `pivot` the rules for an identity from
    FranceConnect."""
    return operation(
        id=f"api_particulier_v3_gip_mds_service_civique_with_{name}",
        path=f"/v3/gip_mds/service_civique/{modality}",
        modality=modality,
        summary="Statut service civique",
        scopes=(CURRENT, PAST, HOST, DATES),
        data=ServiceCivique,
        fields=FIELDS,
        checks=checks,
        pivot=pivot,
        reasons=(UNKNOWN_PERSON, SEVERAL),
        status="gip_mds_service_civique",
    )


IDENTITE = _service_civique("civility", "identite", (Check("nom"), Check("prenoms_required"), Check("date_full")))
FRANCE_CONNECT = _service_civique(
    "france_connect", "france_connect", pivot=(Check("prenoms_known"), Check("date_full"))
)
