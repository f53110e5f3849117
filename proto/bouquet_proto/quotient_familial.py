"""Operations and data of the quotient familial, which two providers serve: CAF and MSA. Both workers offer
`OPERATIONS`, and the gateway decides between their answers (docs/reference/contract.md §1.6.1,
docs/reference/upstreams/quotient.md, docs/reference/upstreams/regime.md)."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct, structs

from bouquet_proto.failures import REFUSALS, Failure, Kind
from bouquet_proto.offer import (
    Authority,
    Modality,
    Operation,
    People,
    Proof,
    ProofField,
    ProofSection,
    operation,
    v2_operation,
)
from bouquet_proto.rules import Check, with_query_names

Fournisseur = Literal["CNAF", "MSA"]


class Valeur(Struct, frozen=True, kw_only=True):
    """Quotient du mois demandé (`annee`, `mois`), et mois de son calcul (`annee_calcul`, `mois_calcul`)"""

    fournisseur: Annotated[Fournisseur, Meta(description="Organisme qui a répondu")]
    valeur: Annotated[int, Meta(description="Quotient familial, en euros")]
    annee: int
    mois: Annotated[int, Meta(ge=1, le=12)]
    annee_calcul: int
    mois_calcul: Annotated[int, Meta(ge=1, le=12)]


class Personne(Struct, frozen=True, kw_only=True):
    """Personne du foyer ; une partie inconnue de la naissance vaut zéro dans `date_naissance`, null ailleurs"""

    # API Particulier emits the date whole and in parts, its document has but the whole (docs/contract.md).
    nom_naissance: str | None
    nom_usage: str | None
    prenoms: str | None
    annee_date_de_naissance: str | None = None
    mois_date_de_naissance: str | None = None
    jour_date_de_naissance: str | None = None
    date_naissance: str
    sexe: Literal["F", "M"] | None


def birth_parts(date_naissance: str) -> dict[str, str | None]:
    """Returns the year, month and day of a birth date `YYYY-MM-DD`, by the names of their fields in `Personne`. A part
    that is zero or missing becomes None."""
    year, month, day, *_ = *date_naissance.split("-"), "", ""
    return {
        "annee_date_de_naissance": _known(year),
        "mois_date_de_naissance": _known(month),
        "jour_date_de_naissance": _known(day),
    }


def _known(part: str) -> str | None:
    return part if part.strip("0") else None


class Adresse(Struct, frozen=True, kw_only=True):
    destinataire: str | None
    complement_information: str | None
    complement_information_geographique: str | None
    numero_libelle_voie: str | None
    lieu_dit: str | None
    code_postal_ville: str | None
    pays: str | None


class QuotientFamilial(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    quotient_familial: Valeur
    allocataires: tuple[Personne, ...]
    enfants: tuple[Personne, ...]
    adresse: Adresse


FIELDS: dict[str, tuple[str, ...]] = {
    "quotient_familial": ("cnaf_quotient_familial",),
    "allocataires": ("cnaf_allocataires",),
    "enfants": ("cnaf_enfants",),
    "adresse": ("cnaf_adresse",),
}


class PersonneV2(Struct, frozen=True, kw_only=True, rename="camel"):
    """Personne du foyer ; les parties inconnues de sa naissance sont null"""

    nom_naissance: str | None
    nom_usuel: str | None
    prenoms: str | None
    annee_date_de_naissance: str | None
    mois_date_de_naissance: str | None
    jour_date_de_naissance: str | None
    sexe: Literal["F", "M"] | None

    @property
    def date_naissance(self) -> str:
        """Returns the birth date as in v3: `YYYY-MM-DD`, with zeros for unknown parts."""
        year, month = self.annee_date_de_naissance or "0000", self.mois_date_de_naissance or "00"
        return f"{year}-{month}-{self.jour_date_de_naissance or '00'}"


class AdresseV2(Struct, frozen=True, kw_only=True, rename="camel"):
    identite: str | None
    complement_information: str | None
    complement_information_geographique: str | None
    numero_libelle_voie: str | None
    lieu_dit: str | None
    code_postal_ville: str | None
    pays: str | None


class CompositionFamiliale(Struct, frozen=True, kw_only=True, rename="camel"):
    """Quotient familial d'un foyer, ses allocataires, ses enfants et son adresse"""

    # Without its fund and the month of its computation: the official document has both, and API Particulier has never
    # sent them (docs/contract.md).
    quotient_familial: Annotated[int, Meta(description="Quotient familial, en euros")]
    annee: int
    mois: Annotated[int, Meta(ge=1, le=12)]
    allocataires: tuple[PersonneV2, ...]
    enfants: tuple[PersonneV2, ...]
    adresse: AdresseV2


def composition_familiale(file: QuotientFamilial) -> CompositionFamiliale:
    """Converts a quotient familial of v3 to `CompositionFamiliale`, the form of v2."""
    return CompositionFamiliale(
        quotient_familial=file.quotient_familial.valeur,
        annee=file.quotient_familial.annee,
        mois=file.quotient_familial.mois,
        allocataires=tuple(map(_personne_v2, file.allocataires)),
        enfants=tuple(map(_personne_v2, file.enfants)),
        adresse=AdresseV2(
            identite=file.adresse.destinataire,
            complement_information=file.adresse.complement_information,
            complement_information_geographique=file.adresse.complement_information_geographique,
            numero_libelle_voie=file.adresse.numero_libelle_voie,
            lieu_dit=file.adresse.lieu_dit,
            code_postal_ville=file.adresse.code_postal_ville,
            pays=file.adresse.pays,
        ),
    )


def _personne_v2(person: Personne) -> PersonneV2:
    return PersonneV2(
        nom_naissance=person.nom_naissance,
        nom_usuel=person.nom_usage,
        prenoms=person.prenoms,
        sexe=person.sexe,
        **birth_parts(person.date_naissance),
    )


FIELDS_V2: dict[str, tuple[str, ...]] = {
    "quotientFamilial": FIELDS["quotient_familial"],
    "annee": FIELDS["quotient_familial"],
    "mois": FIELDS["quotient_familial"],
    "allocataires": FIELDS["allocataires"],
    "enfants": FIELDS["enfants"],
    "adresse": FIELDS["adresse"],
}

CNAF = Authority("CNAF", "23")
MSA = Authority("MSA", "10")
CNAF_AND_MSA = Authority("CNAF & MSA", "35")

IDENTITY_CHECKS = (
    Check("sexe_optional"),
    Check("commune_or_place"),
    Check("pays"),
    Check("date_partial"),
    Check("prenoms_optional"),
    Check("nom"),
    Check("nom_usage"),
)
"""Validation rules for the civil status in a query, in the order in which they are applied (docs/reference/contract.md
§1.5.5)."""
# Sex and place of birth, except the country, are optional; workers leave absent ones out of their requests to the
# CNAV's hub.

PIVOT_CHECKS = (Check("pays"), Check("date_partial"))
"""Validation rules for an identity from FranceConnect. Sex, commune of birth and first names may be missing."""
# The CNAV's hub, through which CAF and MSA are asked, does not require them.

IDENTITY_CHECKS_V2 = with_query_names(
    IDENTITY_CHECKS,
    {
        "annee_date_naissance": "anneeDateDeNaissance",
        "mois_date_naissance": "moisDateDeNaissance",
        "jour_date_naissance": "jourDateDeNaissance",
        "sexe_etat_civil": "sexe",
        "code_cog_insee_pays_naissance": "codePaysLieuDeNaissance",
        "code_cog_insee_commune_naissance": "codeInseeLieuDeNaissance",
        "code_cog_insee_departement_naissance": "codeInseeDepartementNaissance",
    },
)

# Reasons of a CAF or MSA worker that has no quotient to give. The decision between the two providers depends on them
# (docs/reference/upstreams/regime.md).
NO_FILE = "no_file"
UNATTACHED = "unattached"
UNIDENTIFIED = "unidentified"
REFUSED = "civil_status_refused"
PERIOD_REFUSED = "period_refused"
QUOTIENT_MISSING = "quotient_missing"

IDENTITY_UNKNOWN = REFUSALS["identity_unknown"]
"""Error for a person whom the CNAV's hub cannot identify. The workers of CAF and MSA ask through this hub."""

PROBLEMS: dict[str, Failure] = {
    # Of this resource alone, and still a 400 (docs/reference/contract.md §1.6.1).
    UNIDENTIFIED: structs.replace(IDENTITY_UNKNOWN, v2_word="not_found"),
    NO_FILE: Failure(
        kind=Kind.NOT_FOUND,
        code="003",
        title="Allocataire non référencé",
        detail="L'allocataire n'est pas référencé auprès des caisses éligibles",
        fault="caller",
    ),
    UNATTACHED: Failure(
        kind=Kind.NOT_FOUND,
        code="003",
        title="Allocataire non référencé",
        detail="L'allocataire n'est pas référencé auprès des caisses éligibles",
        fault="caller",
    ),
    QUOTIENT_MISSING: Failure(
        kind=Kind.PROVIDER_ERROR,
        code="502",
        title="Quotient familial manquant",
        detail="Le dossier allocataire a été trouvé mais ne comporte pas de quotient familial.",
        fault="provider",
    ),
}


PEOPLE = (People(at="allocataires"), People(at="enfants"))
PEOPLE_V2 = tuple(
    People(
        at=people.at,
        nom="nomNaissance",
        naissance=("anneeDateDeNaissance", "moisDateDeNaissance", "jourDateDeNaissance"),
    )
    for people in PEOPLE
)


def proof_of_family(*more: ProofField) -> tuple[ProofSection, ...]:
    """Returns the sections of a proof that show a family's members and address. A proof is an encrypted text by which
    anyone can verify later what an answer said. `more` are further fields of each person, shown only in the proof's PDF
    file."""
    person = (
        ProofField("Nom de naissance", "nom_naissance"),
        ProofField("Nom d'usage", "nom_usage"),
        ProofField("Prénoms", "prenoms"),
        ProofField("Date de naissance", "date_naissance"),
        ProofField("Sexe", "sexe", "sex"),
        *more,
    )
    address = (
        ProofField("Destinataire", "destinataire"),
        ProofField("Complément d'information", "complement_information"),
        ProofField("Complément d'information géographique", "complement_information_geographique"),
        ProofField("Numéro et libellé de voie", "numero_libelle_voie"),
        ProofField("Lieu-dit", "lieu_dit"),
        ProofField("Code postal / Ville", "code_postal_ville"),
        ProofField("Pays", "pays"),
    )
    return (
        ProofSection(
            title="Allocataires",
            at="allocataires",
            fields=(
                ProofField("Nom de naissance", "nom_naissance", "initials"),
                ProofField("Date de naissance", "date_naissance", "month"),
            ),
            document=person,
        ),
        ProofSection(title="Enfants", at="enfants", count="Nombre d'enfants", document=person),
        ProofSection(title="Adresse", at="adresse", document=address),
    )


PROOF = Proof(
    title="Attestation de quotient familial",
    sections=(
        *proof_of_family(),
        ProofSection(
            title="Quotient familial",
            at="quotient_familial",
            fields=(
                ProofField("Quotient familial (en euros)", "valeur"),
                ProofField("Année du quotient", "annee"),
                ProofField("Mois du quotient", "mois"),
                ProofField("Organisme", "fournisseur"),
            ),
        ),
    ),
)
"""Content of the proof of a quotient familial. A proof is an encrypted text by which anyone can verify later what an
answer said."""
# API Particulier's contract has no such proof.


class Regimes(Struct, frozen=True, kw_only=True):
    """Roles of CAF and MSA: which provider the gateway asks first, and whose answer it prefers
    (docs/reference/upstreams/regime.md §6)."""

    asked_first: str
    """Provider that the gateway asks first if it does not know which of the two serves the person."""
    # The CAF serves 98 % of the families.
    asked_second: str
    keeps_past_months: str
    """Provider that keeps the quotients of past months. For a past month, the gateway prefers this provider's
    answer."""
    updated_in_real_time: str
    """Provider that updates its files in real time. For the current month, the gateway prefers this provider's
    answer."""
    authorities: dict[str, Authority]
    """Administration that an error names, by the provider whose answer led to the error, such as `cnaf`."""


REGIMES = Regimes(
    asked_first="cnaf",
    asked_second="msa",
    keeps_past_months="cnaf",
    updated_in_real_time="msa",
    authorities={"cnaf": CNAF, "msa": MSA},
)

PERIOD_CHECKS = (Check("qf_annee"), Check("qf_mois"), Check("qf_periode"))


_COMMON: dict[str, Any] = {
    "summary": "Quotient familial CAF & MSA",
    "scopes": ("cnaf_quotient_familial", "cnaf_allocataires", "cnaf_enfants", "cnaf_adresse"),
    "reasons": (NO_FILE, UNATTACHED, UNIDENTIFIED, REFUSED, PERIOD_REFUSED, QUOTIENT_MISSING),
    "cache_s": 24 * 3600,
    "plan": "regime",
    "authority": CNAF_AND_MSA,
    "status": "cnaf_msa_quotient_familial",
}


def _v3(
    modality: Modality, name: str, *checks: Check, pivot: tuple[Check, ...] = (), proof: Proof | None = None
) -> Operation:
    return operation(
        id=f"api_particulier_v3_cnav_quotient_familial_with_{name}",
        path=f"/v3/dss/quotient_familial/{modality}",
        modality=modality,
        data=QuotientFamilial,
        fields=FIELDS,
        people=PEOPLE,
        proof=proof,
        checks=((*PERIOD_CHECKS, *checks),),
        pivot=pivot,
        **_COMMON,
    )


def _v2(modality: Modality, *checks: Check, pivot: tuple[Check, ...] = ()) -> Operation:
    return v2_operation(
        "api_particulier_v2_cnav_quotient_familial_v2",
        modality,
        becomes="/v3/dss/quotient_familial",
        path="/api/v2/composition-familiale-v2",
        data=CompositionFamiliale,
        fields=FIELDS_V2,
        people=PEOPLE_V2,
        checks=((*PERIOD_CHECKS, *checks),),
        pivot=pivot,
        **_COMMON,
    )


OPERATION = _v3("identite", "civility", *IDENTITY_CHECKS, proof=PROOF)
BY_FRANCE_CONNECT = _v3("france_connect", "france_connect", pivot=PIVOT_CHECKS)
V3 = (OPERATION, BY_FRANCE_CONNECT)
V2 = (_v2("identite", *IDENTITY_CHECKS_V2), _v2("france_connect", pivot=PIVOT_CHECKS))
OPERATIONS = (*V3, *V2)
"""Operations that the workers of both CAF and MSA publish. Operations of v3 return a `QuotientFamilial`, operations of
v2 a `CompositionFamiliale`."""

FamilyData: TypeAlias = QuotientFamilial | CompositionFamiliale
DATA_TYPES: dict[str, type[FamilyData]] = dict.fromkeys((one.id for one in V3), QuotientFamilial) | dict.fromkeys(
    (one.id for one in V2), CompositionFamiliale
)
"""Type of the data that an operation returns about a family, by the operation's id."""
