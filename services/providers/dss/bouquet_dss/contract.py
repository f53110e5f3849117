"""Data that the API publishes about eight benefits (docs/reference/contract.md §1.6.2-1.6.3). Seven operations say
whether a person is entitled. The eighth publishes the figures from which a crèche computes its rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from bouquet_proto.quotient_familial import (
    IDENTITY_CHECKS,
    IDENTITY_CHECKS_V2,
    IDENTITY_UNKNOWN,
    PIVOT_CHECKS,
    REFUSED,
    UNATTACHED,
    UNIDENTIFIED,
    proof_of_family,
)
from bouquet_worker import (
    Failure,
    Kind,
    Modality,
    People,
    Proof,
    ProofField,
    ProofSection,
    PublishedOperation,
    published_operation,
    v2_operation,
    view_of,
)

Day: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date"})]
Debut: TypeAlias = Annotated[Day | None, Meta(description="Date d'ouverture du droit, null sans droit")]
Fin: TypeAlias = Annotated[Day | None, Meta(description="Toujours null")]


class Droit(Struct, frozen=True, kw_only=True):
    """Entitlement to a benefit, as the worker's handlers return it, with the fields of all versions of the API."""

    status: str
    date_debut_droit: str | None
    avec_majoration: bool | None = None

    @property
    def est_beneficiaire(self) -> bool:
        return not self.status.startswith("non_beneficiaire")

    @property
    def avec_participation(self) -> bool:
        """Whether the person pays a contribution for the complémentaire santé solidaire (C2S); false if the person is
        not entitled (docs/contract.md, C12)."""
        # API Particulier answers so, although its document says null.
        return self.status == "beneficiaire_avec_participation_financiere"

    @property
    def date_debut(self) -> str | None:
        return self.date_debut_droit

    @property
    def majoration(self) -> bool | None:
        return self.avec_majoration


class Beneficiaire(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    est_beneficiaire: Annotated[bool, Meta(description="Le particulier a ce droit au moment de l'appel")]
    date_debut_droit: Debut


class BeneficiaireC2S(Beneficiaire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    avec_participation: Annotated[
        bool, Meta(description="La C2S est avec participation financière. False aussi sans droit")
    ]


class BeneficiaireMajorable(Beneficiaire, frozen=True, kw_only=True, forbid_unknown_fields=True):
    avec_majoration: Annotated[
        bool | None, Meta(description="La prestation est majorée. Null sans droit, ou sans prestation ouverte")
    ]


class StatutAllocation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    status: Annotated[
        Literal["allocataire", "ouvrant_droit", "non_beneficiaire"],
        Meta(description="allocataire : le parent. ouvrant_droit : l'enfant"),
    ]
    date_debut_droit: Debut


class DroitV2(Struct, frozen=True, kw_only=True, rename="camel"):
    status: Literal["beneficiaire", "non_beneficiaire"]
    date_debut: Debut


class DroitV2AvecFin(DroitV2, frozen=True, kw_only=True, rename="camel"):
    date_fin: Fin = None


class DroitV2Majorable(DroitV2AvecFin, frozen=True, kw_only=True, rename="camel"):
    majoration: bool | None


class DroitV2C2S(Struct, frozen=True, kw_only=True, rename="camel"):
    status: Literal[
        "beneficiaire_sans_participation_financiere",
        "beneficiaire_avec_participation_financiere",
        "non_beneficiaire_css",
    ]
    date_debut: Debut
    date_fin: Fin = None


class Personne(Struct, frozen=True, kw_only=True):
    nom_naissance: str | None
    nom_usage: str | None
    prenoms: str | None
    date_naissance: Annotated[str | None, Meta(description="AAAA-MM-JJ, les parties inconnues à zéro")]
    sexe: Literal["F", "M"] | None
    code_cog_insee_commune_naissance: Annotated[
        str | None, Meta(description="D'ordinaire connu du seul allocataire demandé")
    ]


class Adresse(Struct, frozen=True, kw_only=True):
    destinataire: str | None
    complement_information: str | None
    complement_information_geographique: str | None
    numero_libelle_voie: str | None
    lieu_dit: str | None
    code_postal_ville: str | None
    pays: str | None


class BaseRessources(Struct, frozen=True, kw_only=True):
    valeur: Annotated[int, Meta(description="Ressources annuelles, en euros")]
    annee_calcul: int


class ParametresCalcul(Struct, frozen=True, kw_only=True):
    nombre_enfants_a_charge: int
    nombre_enfants_beneficiaire_aeeh: int
    base_ressources_annuelles: BaseRessources


class ParticipationFamiliale(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    allocataires: Annotated[tuple[Personne, ...], Meta(min_length=1, description="L'allocataire et son conjoint")]
    enfants: Annotated[tuple[Personne, ...], Meta(description="Les enfants, dont un de moins de sept ans")]
    adresse: Annotated[Adresse, Meta(description="Adresse déclarée par la famille")]
    parametres_calcul_participation_familiale: Annotated[
        ParametresCalcul, Meta(description="De quoi calculer la participation de la famille")
    ]


NO_FILE_CNAF = "no_file_cnaf"
NO_FILE_MSA = "no_file_msa"
NO_FILE_RNCPS = "no_file_rncps"
NO_YOUNG_CHILD = "no_young_child"


def _absence(code: str, provider: str, title: str, detail: str) -> Failure:
    return Failure(kind=Kind.NOT_FOUND, code=code, provider=provider, title=title, detail=detail, fault="caller")


def _no_file(code: str, fund: str, of_fund: str) -> Failure:
    detail = f"Le dossier allocataire n'a pas été trouvé auprès {of_fund}."
    return _absence(code, fund, f"Dossier allocataire absent {fund}", detail)


PROBLEMS = {
    UNIDENTIFIED: IDENTITY_UNKNOWN,
    # Texts of docs/reference/upstreams/hub.md §3. The codes have five digits, since CNAF, MSA or RNCPS answers in its
    # own name.
    UNATTACHED: _absence(
        "35003",
        "CNAF & MSA",
        "Allocataire non référencé",
        "L'allocataire n'est pas référencé auprès des caisses éligibles",
    ),
    NO_FILE_CNAF: _no_file("23003", "CNAF", "de la CNAF"),
    NO_FILE_MSA: _no_file("10003", "MSA", "de la MSA"),
    NO_FILE_RNCPS: _no_file("40003", "RNCPS", "du RNCPS"),
    NO_YOUNG_CHILD: _absence(
        "37003",
        "CNAV",
        "Allocataire non éligible",
        "Le dossier allocataire a été trouvé mais n'est pas éligible à la participation familiale EAJE",
    ),
}

_PING_NAMES = {
    "complementaire_sante_solidaire": "securite_sociale_complementaire_sante_solidaire",
    "allocation_enfant_handicape": "cnav_allocation_enfant_handicape",
    "allocation_rentree_scolaire": "cnav_allocation_rentree_scolaire",
    "revenu_solidarite_active": "cnaf_msa_revenu_solidarite_active",
    "prime_activite": "cnaf_msa_prime_activite",
    "allocation_adulte_handicape": "cnaf_msa_allocation_adulte_handicape",
    "allocation_soutien_familial": "cnaf_msa_allocation_soutien_familial",
    "participation_familiale_eaje": "cnaf_msa_participation_familiale_eaje",
}
"""Maps the name of each benefit to its name in the path `/api/{name}/ping` (docs/reference/contract.md §5.3)."""

_REASONS = (UNIDENTIFIED, UNATTACHED, NO_FILE_CNAF, NO_FILE_MSA, NO_FILE_RNCPS, REFUSED)


def _both_modalities(
    resource: str,
    summary: str,
    data: type[Struct],
    *scopes: str,
    fields: Mapping[str, str],
    reasons: tuple[str, ...],
    proof: Proof | None = None,
) -> tuple[PublishedOperation[Any], PublishedOperation[Any]]:
    """Returns a benefit's two operations in version 3: by civil status and by FranceConnect. `fields` maps each field
    to the scope that it needs, one of `scopes`. If `proof` is given, callers by civil status can request an encrypted
    proof of the answer."""
    common: dict[str, Any] = {
        "summary": summary,
        "scopes": scopes,
        "fields": {field: (scope,) for field, scope in fields.items()},
        "reasons": reasons,
        "people": (People(at="allocataires"), People(at="enfants")),
        "cache_s": 3600,
        "status": _PING_NAMES[resource],
    }
    operation_id = f"api_particulier_v3_cnav_{resource}_with_"
    path = f"/v3/dss/{resource}/"
    return (
        published_operation(
            data,
            id=operation_id + "civility",
            path=path + "identite",
            modality="identite",
            checks=(IDENTITY_CHECKS,),
            proof=proof,
            **common,
        ),
        published_operation(
            data,
            id=operation_id + "france_connect",
            path=path + "france_connect",
            modality="france_connect",
            checks=(),
            pivot=PIVOT_CHECKS,
            **common,
        ),
    )


def _right(
    resource: str, summary: str, v3: type[Struct], v2: type[Struct], *, majoration: str = ""
) -> tuple[PublishedOperation[Any], ...]:
    """Returns the operations, in versions 3 and 2, that tell whether a person is entitled to the benefit `resource`.
    Callers need the scope of the same name. `majoration` is the scope of the field that tells whether the benefit is
    increased; "" if there is no such field."""
    scopes = (resource, majoration) if majoration else (resource,)
    fields = {
        field: majoration if field.endswith("majoration") else resource
        for field in (*v3.__struct_fields__, *v2.__struct_encode_fields__)
    }
    return (
        *_both_modalities(resource, summary, v3, *scopes, fields=fields, reasons=_REASONS),
        _v2(resource, "identite", v2, fields, summary=summary, scopes=scopes, checks=(IDENTITY_CHECKS_V2,)),
        _v2(resource, "france_connect", v2, fields, summary=summary, scopes=scopes, checks=(), pivot=PIVOT_CHECKS),
    )


def _v2(
    resource: str, modality: Modality, data: type[Struct], fields: Mapping[str, str], **rest: Any
) -> PublishedOperation[Droit]:
    return PublishedOperation(
        v2_operation(
            f"api_particulier_v2_cnav_{resource}",
            modality,
            becomes=f"/v3/dss/{resource}",
            path=f"/api/v2/{resource.replace('_', '-')}",
            status=_PING_NAMES[resource],
            data=data,
            fields={field: (fields[field],) for field in data.__struct_encode_fields__},
            reasons=_REASONS,
            cache_s=3600,
            **rest,
        ),
        view_of(data),
        Droit,
    )


C2S = _right(
    "complementaire_sante_solidaire", "Statut complémentaire santé solidaire (C2S)", BeneficiaireC2S, DroitV2C2S
)
RSA = _right(
    "revenu_solidarite_active",
    "Statut revenu de solidarité active (RSA)",
    BeneficiaireMajorable,
    DroitV2Majorable,
    majoration="revenu_solidarite_active_majoration",
)
PPA = _right(
    "prime_activite",
    "Statut prime d'activité",
    BeneficiaireMajorable,
    DroitV2Majorable,
    majoration="prime_activite_majoration",
)
AAH = _right("allocation_adulte_handicape", "Statut allocation adulte handicapé (AAH)", Beneficiaire, DroitV2)
ASF = _right("allocation_soutien_familial", "Statut allocation de soutien familial (ASF)", Beneficiaire, DroitV2AvecFin)


def _for_a_child(resource: str, summary: str) -> tuple[PublishedOperation[Any], ...]:
    """Returns the operations about an allowance for a child (docs/reference/contract.md §1.6.3). The answer says
    whether the person is the parent, the child or neither. Callers need the scope `cnav_{resource}`, where `resource`
    is the allowance's name."""
    scope = f"cnav_{resource}"
    fields = dict.fromkeys(StatutAllocation.__struct_fields__, scope)
    return _both_modalities(resource, summary, StatutAllocation, scope, fields=fields, reasons=_REASONS)


AEEH = _for_a_child("allocation_enfant_handicape", "Statut allocation d'éducation de l'enfant handicapé (AEEH)")
ARS = _for_a_child("allocation_rentree_scolaire", "Statut allocation de rentrée scolaire (ARS)")
_EAJE_FIELDS = {
    "allocataires": "cnav_participation_familiale_eaje_allocataires",
    "enfants": "cnav_participation_familiale_eaje_enfants",
    "adresse": "cnav_participation_familiale_eaje_adresse",
    "parametres_calcul_participation_familiale": "cnav_participation_familiale_eaje_parametres_calcul",
}
_EAJE_PROOF = Proof(
    title="Attestation de participation familiale (EAJE)",
    sections=(
        *proof_of_family(ProofField("Code INSEE de la commune de naissance", "code_cog_insee_commune_naissance")),
        ProofSection(
            title="Paramètres de calcul de la participation familiale",
            at="parametres_calcul_participation_familiale",
            fields=(
                ProofField("Nombre d'enfants à charge", "nombre_enfants_a_charge"),
                ProofField("Nombre d'enfants bénéficiaires de l'AEEH", "nombre_enfants_beneficiaire_aeeh"),
                ProofField("Base de ressources annuelles (en euros)", "base_ressources_annuelles.valeur"),
                ProofField("Année de calcul", "base_ressources_annuelles.annee_calcul"),
            ),
        ),
    ),
)
EAJE = _both_modalities(
    "participation_familiale_eaje",
    "Participation familiale EAJE",
    ParticipationFamiliale,
    *_EAJE_FIELDS.values(),
    fields=_EAJE_FIELDS,
    reasons=(*_REASONS, NO_YOUNG_CHILD),
    proof=_EAJE_PROOF,
)
