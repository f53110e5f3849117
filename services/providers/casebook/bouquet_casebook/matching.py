"""Search for the test case that answers a request: the case with the same parameters, whatever their letter case
(docs/reference/contract.md §6.3, §6.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from bouquet_proto.identity import Identite
from bouquet_proto.messages import Lookup
from bouquet_proto.normalisation import normalised
from bouquet_proto.offer import Operation

Signature: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]
"""Parameters of a lookup or of a test case, in a form that can be compared: pairs of name and values, sorted by
name."""

GENDERS = {"M": "male", "F": "female"}

SESSION_ENDING = "_with_france_connect"
CIVIL_STATUS_ENDINGS = ("_with_civility", "")
"""Endings of the ids of operations that find a person by civil status: `_with_civility` from version 3 on, none in
version 2."""


class CaseKeys(Struct, frozen=True):
    """Parameter names in an operation's case files. `keys` maps each name, such as `nomNaissance`, to the name in
    requests to workers, such as `nom_naissance`."""

    keys: Mapping[str, str]
    required: frozenset[str] = frozenset()
    """Names of parameters that every case file must contain, though their value may be empty."""
    # A question's signature always contains them, with an empty value if the question lacks the field.


_CNAV_V2 = CaseKeys(
    {
        "nomNaissance": "nom_naissance",
        "nomUsage": "nom_usage",
        "prenoms": "prenoms",
        "anneeDateDeNaissance": "annee_date_naissance",
        "moisDateDeNaissance": "mois_date_naissance",
        "jourDateDeNaissance": "jour_date_naissance",
        "sexe": "sexe_etat_civil",
        "codePaysLieuDeNaissance": "code_cog_insee_pays_naissance",
        "codeInseeLieuDeNaissance": "code_cog_insee_commune_naissance",
        "nomCommuneNaissance": "nom_commune_naissance",
        "codeCogInseeDepartementNaissance": "code_cog_insee_departement_naissance",  # sic: spelt as in v3
        "annee": "annee",
        "mois": "mois",
    }
)
_CNOUS_BY_SESSION = CaseKeys(
    {
        "nomNaissance": "nom_naissance",
        "prenoms": "prenoms_in_one",
        "anneeDateNaissance": "annee_date_naissance",
        "moisDateNaissance": "mois_date_naissance",
        "jourDateNaissance": "jour_date_naissance",
        "sexeEtatCivil": "sexe_etat_civil",
        "codeCogInseeCommuneNaissance": "code_cog_insee_commune_naissance",
        "campaignYear": "campaign_year",
    }
)
_CNOUS_V2 = CaseKeys(
    {
        "nom_naissance": "nom_naissance",
        "prenoms": "prenoms",
        "annee_date_naissance": "annee_typed",
        "mois_date_naissance": "mois_typed",
        "jour_date_naissance": "jour_typed",
        "sexe_etat_civil": "sexe_etat_civil",
        "code_cog_insee_commune_naissance": "code_cog_insee_commune_naissance",
    },
    required=frozenset({"sexe_etat_civil", "code_cog_insee_commune_naissance"}),
)
_CNOUS_V2_BY_SESSION = CaseKeys(
    {
        "family_name": "nom_naissance",
        "given_name": "prenoms_in_one",
        "birthdate": "jour_mois_annee",
        "birthplace": "code_cog_insee_commune_naissance",
        "gender": "sexe_etat_civil",
    }
)
_MESRI_V2 = CaseKeys(
    {
        "nom": "nom_naissance",
        "prenom": "prenom",
        "dateDeNaissance": "annee_mois_jour",
        "lieuDeNaissance": "code_cog_insee_commune_naissance",
        "sexe": "sexe_etat_civil",
    },
    required=frozenset({"lieuDeNaissance"}),
)
_MESRI_V2_BY_SESSION = CaseKeys(
    {
        "family_name": "nom_naissance",
        "given_name": "prenom",
        "birthdate": "annee_mois_jour",
        "birthplace": "code_cog_insee_commune_naissance",
        "gender": "gender",
    },
    required=frozenset({"birthplace"}),
)
_MEN_V2 = CaseKeys(
    {
        "nom": "nom_naissance",
        "prenom": "prenom",
        "sexe": "sexe_etat_civil",
        "dateNaissance": "annee_mois_jour",
        "codeEtablissement": "code_etablissement",
        "anneeScolaire": "annee_scolaire",
    }
)

CASE_KEYS = {
    **{
        f"api_particulier_v2_cnav_{prestation}{modality}": _CNAV_V2
        for prestation in (
            "allocation_adulte_handicape",
            "allocation_soutien_familial",
            "complementaire_sante_solidaire",
            "prime_activite",
            "quotient_familial_v2",
            "revenu_solidarite_active",
        )
        for modality in ("", SESSION_ENDING)
    },
    **{
        f"api_particulier_v{version}_cnous_etudiant_boursier{SESSION_ENDING}": _CNOUS_BY_SESSION
        for version in (3, 4, 5)
    },
    "api_particulier_v2_cnous_student_scholarship": _CNOUS_V2,
    "api_particulier_v2_cnous_student_scholarship_with_france_connect": _CNOUS_V2_BY_SESSION,
    "api_particulier_v2_mesri_student_status": _MESRI_V2,
    "api_particulier_v2_mesri_student_status_with_france_connect": _MESRI_V2_BY_SESSION,
    "api_particulier_v2_men_scolarites": _MEN_V2,
}
"""Maps the id of an operation to the parameter names in its case files. An operation whose case files use the API's own
names has no entry (docs/reference/contract.md §6.4)."""


def case_keys_of(operation: Operation, operations: Mapping[str, Operation]) -> CaseKeys:
    """Returns the names that parameters have in an operation's case files. `operations` holds all operations by id."""
    # For an operation by FranceConnect, they include the names for the same operation by civil status, since a case
    # describes the citizen with them.
    if operation.id in CASE_KEYS:
        return CASE_KEYS[operation.id]
    siblings = (operations.get(operation.id.replace(SESSION_ENDING, ending)) for ending in CIVIL_STATUS_ENDINGS)
    return CaseKeys(
        {
            name: fact
            for one in (operation, *siblings)
            if one is not None
            for stage in one.checks
            for check in stage
            if check.rule != "place_optional"  # production replaces the place by the code of its commune
            for fact, name in check.parameter_names.items()
        }
    )


def signature_of_case(params: Mapping[str, Any]) -> Signature:
    """Returns the parameters of a test case in the form in which lookups are compared with it. Numbers become texts,
    null becomes an empty text, and empty lists are left out."""
    written = (_written(str(name), value) for name, value in params.items())
    return tuple(sorted((name, values) for name, values in written if values))


def signature_of_question(case_keys: CaseKeys, lookup: Lookup) -> Signature:
    facts = msgspec.structs.asdict(lookup.identity) | dict(lookup.parameters)
    if isinstance(lookup.identity, Identite):
        facts |= _facts_of(lookup.identity)
    values = {key: facts.get(fact) for key, fact in case_keys.keys.items()}
    return signature_of_case(
        {key: value for key, value in values.items() if value is not None or key in case_keys.required}
    )


def _facts_of(who: Identite) -> dict[str, Any]:
    """Returns the fields of an identity in all the forms that case files use. A birth date, for example, is returned as
    three numbers, as `1990-01-31` and as `31/01/1990`."""
    year, month, day = who.date_naissance().split("-")
    return {
        "annee_date_naissance": int(year) or None,
        "mois_date_naissance": int(month) or None,
        "jour_date_naissance": int(day) or None,
        "annee_typed": year,
        "mois_typed": month,
        "jour_typed": day,
        "annee_mois_jour": f"{year}-{month}-{day}",
        "jour_mois_annee": f"{day}/{month}/{year}",
        "code_cog_insee_commune_naissance": who.commune_in_france(),
        "prenom": next(iter(who.prenoms), None),
        "prenoms_in_one": ", ".join(who.prenoms),
        "gender": GENDERS.get(who.sexe_etat_civil or ""),
    }


def _written(name: str, value: Any) -> tuple[str, tuple[str, ...]]:
    if isinstance(value, list | tuple):
        return f"{name}[]", tuple(_text(item) for item in value)
    return name, (_text(value),)


def _text(value: Any) -> str:
    return "" if value is None else normalised("", str(value)).lower()
