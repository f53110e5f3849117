"""Cases of version 2 that no file says: those of its successors, in its words, so that a person is written once.

A path of version 2 is the same question as its successor's (`Retirement.successor`), and its body a flatter one of the
same facts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec
from msgspec import Raw, Struct

from bouquet_proto.offer import Operation
from bouquet_proto.quotient_familial import QuotientFamilial, birth_parts, composition_familiale

Json: TypeAlias = dict[str, Any]


class Each(NamedTuple):
    """A list, of which each item is shown."""

    path: str
    item: Mapping[str, Shown]


Shown: TypeAlias = "str | Each | Mapping[str, Shown] | Callable[[Json], Any]"
"""Where a member comes from: a dotted path, a list, members of its own, or what is made of the whole. Members that the
successor does not have are left out."""

_ABSENT: Any = object()


def _quotient(file: Json) -> Any:
    people = {
        role: [person | birth_parts(person["date_naissance"]) for person in file[role]]
        for role in ("allocataires", "enfants")
    }
    return msgspec.to_builtins(composition_familiale(msgspec.convert(file | people, QuotientFamilial)))


def _status(right: Json) -> str:
    return "beneficiaire" if right["est_beneficiaire"] else "non_beneficiaire"


def _status_c2s(right: Json) -> str:
    if not right["est_beneficiaire"]:
        return "non_beneficiaire_css"
    return f"beneficiaire_{'avec' if right['avec_participation'] else 'sans'}_participation_financiere"


STATUSES: dict[bool | None, tuple[int, str]] = {False: (0, "définitif"), True: (1, "provisoire (conditionnel)")}
"""Of a grant, by whether it is provisional."""


def _grant(scholarship: Json) -> tuple[int | None, str | None]:
    return STATUSES.get(scholarship["echelon_bourse"]["echelon_bourse_regionale_provisoire"], (None, None))


def _enrolment(admission: Json) -> Json:
    place = {
        "etablissement": admission["etablissement_etudes"],
        "codeCommune": admission["code_cog_insee_commune"],
    }
    if not admission["est_inscrit"]:
        dates = {"dateDebutAdmission": admission["date_debut"], "dateFinAdmission": admission["date_fin"]}
        return {"statut": "admis", "regime": admission["regime_formation"]["libelle"], **dates, **place}
    kind = "initiale" if admission["regime_formation"]["code"] in ("RF1", "RF2", "RF3", "RF4") else "continue"
    dates = {"dateDebutInscription": admission["date_debut"], "dateFinInscription": admission["date_fin"]}
    return {"statut": "inscrit", "regime": f"formation {kind}", **dates, **place}


def _null(_: Json) -> None:
    return None


_RIGHT: Mapping[str, Shown] = {"status": _status, "dateDebut": "date_debut_droit"}
_RIGHT_TO_ITS_END: Mapping[str, Shown] = {**_RIGHT, "dateFin": _null}
_INCREASED: Mapping[str, Shown] = {**_RIGHT_TO_ITS_END, "majoration": "avec_majoration"}

BODIES: Mapping[str, Shown] = {
    "api_particulier_v2_cnav_quotient_familial_v2": _quotient,
    "api_particulier_v2_cnav_complementaire_sante_solidaire": {**_RIGHT_TO_ITS_END, "status": _status_c2s},
    "api_particulier_v2_cnav_revenu_solidarite_active": _INCREASED,
    "api_particulier_v2_cnav_prime_activite": _INCREASED,
    "api_particulier_v2_cnav_allocation_adulte_handicape": _RIGHT,
    "api_particulier_v2_cnav_allocation_soutien_familial": _RIGHT_TO_ITS_END,
    "api_particulier_v2_cnous_student_scholarship": {
        "nom": "identite.nom",
        "prenom": lambda one: next(iter(one["identite"]["prenoms"]), None),
        "prenom2": lambda one: next(iter(one["identite"]["prenoms"][1:]), None),
        "dateNaissance": "identite.date_naissance",
        "lieuNaissance": "identite.nom_commune_naissance",
        "sexe": "identite.sexe",
        "email": "email",
        "boursier": "statut_boursier.est_boursier",
        "echelonBourse": "echelon_bourse.echelon",
        "statut": lambda one: _grant(one)[0],
        "statutLibelle": lambda one: _grant(one)[1],
        "dateDeRentree": "periode_versement_bourse.date_rentree",
        "dureeVersement": "periode_versement_bourse.duree",
        "villeEtudes": "etablissement_etudes.nom_commune",
        "etablissement": "etablissement_etudes.nom_etablissement",
    },
    "api_particulier_v2_mesri_student_status": {
        "ine": "ine",
        "nom": "identite.nom_naissance",
        "prenom": "identite.prenom",
        "dateNaissance": "identite.date_naissance",
        "inscriptions": lambda student: [_enrolment(one) for one in student["admissions"]],
    },
    "api_particulier_v2_men_scolarites": {
        "eleve": "identite",
        "annee_scolaire": "annee_scolaire",
        "est_scolarise": "est_scolarise",
        "status_eleve": "statut_eleve",
        "code_etablissement": "etablissement.code_uai",
        "est_boursier": "est_boursier",
        "niveau_bourse": "echelon_bourse",
    },
    "api_particulier_v2_pole_emploi_statut": {
        "identifiant": "identifiant",
        "civilite": "identite.civilite",
        "nom": "identite.nom_naissance",
        "nomUsage": "identite.nom_usage",
        "prenom": "identite.prenom",
        "sexe": "identite.sexe",
        "dateNaissance": "identite.date_naissance",
        "codeCertificationCNAV": "inscription.code_certification_cnav",
        "codeCategorieInscription": "inscription.categorie.code",
        "libelleCategorieInscription": "inscription.categorie.libelle",
        "dateInscription": "inscription.date_debut",
        "dateCessationInscription": "inscription.date_fin",
        "adresse": {
            "INSEECommune": "adresse.code_cog_insee_commune",
            "codePostal": "adresse.code_postal",
            "localite": "adresse.localite",
            "ligneVoie": "adresse.ligne_voie",
            "ligneComplementDestinataire": "adresse.ligne_complement_destinataire",
            "ligneComplementAdresse": "adresse.ligne_complement_adresse",
            "ligneComplementDistribution": "adresse.ligne_complement_distribution",
            "ligneNom": "adresse.ligne_nom",
        },
        "email": "contact.email",
        "telephone": "contact.telephone",
        "telephone2": "contact.telephone2",
    },
    "api_particulier_v2_pole_emploi_indemnites": {
        "identifiant": "identifiant",
        "paiements": Each(
            "paiements",
            {
                "date": "date_versement",
                "montant": "montant_total",
                "allocations": "montant_allocations",
                "aides": "montant_aides",
                "autres": "montant_autres",
            },
        ),
    },
}
"""By folder of version 2."""


class _Payload(Struct, frozen=True):
    data: Json


def successor_of(operation: Operation, operations: Mapping[str, Operation]) -> Operation | None:
    """Whose cases an operation of version 2 is answered from. A citizen's is the one by civil status: from v3 on
    FranceConnect shows less of them."""
    if operation.folder not in BODIES or operation.retirement is None:
        return None
    path = operation.retirement.successor.replace("/france_connect", "/identite")
    return next((one for one in operations.values() if one.path == path), None)


def body_of(folder: str, payload: Raw, facts: Mapping[str, Any]) -> Raw:
    """What version 2 shows of a case of its successor. `facts`: what the person is asked by."""
    data = msgspec.json.decode(payload, type=_Payload).data
    return Raw(msgspec.json.encode(_shown(BODIES[folder], {**facts, **data})))


def _shown(shown: Shown, source: Json) -> Any:
    match shown:
        case str():
            return _at(shown.split("."), source)
        case Each(path, item):
            return [_shown(item, one) for one in _at(path.split("."), source)]
        case Mapping():
            members = {name: _shown(member, source) for name, member in shown.items()}
            return {name: value for name, value in members.items() if value is not _ABSENT}
        case _:
            return shown(source)


def _at(path: list[str], source: Any) -> Any:
    for step in path:
        if step not in source:
            return _ABSENT
        source = source[step]
    return source
