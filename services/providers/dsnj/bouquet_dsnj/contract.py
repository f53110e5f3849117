"""Status of a young person with regard to national service, as the API publishes it (docs/reference/contract.md
§1.6.10)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from bouquet_worker import Check, Modality, Operation, absence, operation

Statut: TypeAlias = Literal["en_regle", "pas_en_regle", "indetermine", "non_concerne"]


class ServiceNational(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    statut_service_national: Annotated[
        Statut | None,
        Meta(
            description="Situation au regard des obligations de service national : en règle, pas en règle, "
            "indéterminée ou non concernée. Null : inconnue"
        ),
    ]
    commentaires: Annotated[str | None, Meta(description="Commentaire de la DSNJ, pour les cas particuliers")]


SCOPE = "dsnj_statut_service_national"
FIELDS: dict[str, tuple[str, ...]] = dict.fromkeys(ServiceNational.__struct_fields__, (SCOPE,))

UNKNOWN_PERSON = "unknown_person"
PROBLEMS = {UNKNOWN_PERSON: absence()}

_PERSON = (
    Check("prenoms_required"),
    Check("nom"),
    Check("date_full"),
    Check("age_16_to_25"),
    Check("sexe_required"),
    Check("commune_optional"),
    Check("pays"),
)
_PIVOT = (Check("prenoms_known"), Check("date_full"), Check("sexe_required"), Check("pays"))


def _service_national(
    name: str,
    modality: Modality,
    *checks: tuple[Check, ...],
    pivot: tuple[Check, ...] = (),
    identity_checks: tuple[Check, ...] = (),
) -> Operation:
    """Returns the operation that finds a person by `modality` (kind of identity). `name` is the end of the operation's
    id. `checks` are the rules for parameters; `pivot` and `identity_checks` are the rules for an identity from
    FranceConnect."""
    # `pivot` comes first and says whether the identity is usable. The errors of `identity_checks` have codes of their
    # own.
    return operation(
        id=f"api_particulier_v3_dsnj_service_national_with_{name}",
        path=f"/v3/dsnj/service_national/{modality}",
        modality=modality,
        summary="Statut Service national",
        scopes=(SCOPE,),
        data=ServiceNational,
        fields=FIELDS,
        checks=checks,
        pivot=pivot,
        identity_checks=identity_checks,
        reasons=(UNKNOWN_PERSON,),
        status="dsnj_service_national",
    )


IDENTITE = _service_national("civility", "identite", _PERSON)
FRANCE_CONNECT = _service_national(
    "france_connect", "france_connect", pivot=_PIVOT, identity_checks=(Check("age_16_to_25"),)
)
