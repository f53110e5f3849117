"""The students of the simulated ministry, all invented, and what it says of them.

They study in the current academic year, whenever that is. A first name and a birth date must be theirs; case does not
matter; sex and birth place may be left out, but must be theirs too. Any other field is refused. Whoever is not here is
not found.

`PANNE-HTML`, `HTML0000000`… are faults (bouquet_worker.simulated_faults); those of `ODDITIES` make it answer strangely.
"""

from __future__ import annotations

from datetime import date
from typing import Any, TypeAlias

from msgspec import Struct

from bouquet_worker.simulated_faults import as_ine

Json: TypeAlias = dict[str, Any]
Said: TypeAlias = tuple[int, Any]
"""Status, and what is sent as JSON."""

PERSON_UNKNOWN = "étudiant introuvable"
INE_UNKNOWN = "inscription introuvable"
WRONG = "la valeur du paramètre n'est pas valide"
WRONG_INE = "le format de l'INE n'est valide"  # sic


class Stay(Struct, frozen=True):
    statut: str
    regime: str
    commune: str
    uai: str
    etablissement: str


class Student(Struct, frozen=True):
    ine: str
    nom: str
    prenom: str
    naissance: str
    sexe: str
    commune: str
    """INSEE code; empty for who was born abroad."""
    stays: tuple[Stay, ...] | None
    """`None`: the key is absent."""

    def matches(self, search: dict[str, str]) -> bool:
        """Whether all that is told is theirs."""
        own = {
            "nomFamille": self.nom,
            "prenom1": self.prenom,
            "dateNaissance": self.naissance,
            "sexe": self.sexe,
            "lieuNaissance": self.commune,
        }
        return all(own[name].upper() == told.upper() for name, told in search.items())


_QUIMPER = ("29232", "0299001K", "IUT FICTIF DE CORNOUAILLE (29000)")
_BREST = ("29019", "0299002L", "UFR DES SCIENCES SIMULEES DE BREST (29200)")
_PAU = ("64445", "0649003M", "FACULTE DE DROIT IMAGINAIRE DE PAU (64000)")

STUDENTS = (
    # An apprentice in Brest, admitted in Pau as well.
    Student(
        *("050617293HK", "LE GOFF", "Maïwenn", "2005-06-17", "2", "29039"),
        (Stay("inscrit", "contrat d'apprentissage", *_BREST), Stay("admis", "formation initiale", *_PAU)),
    ),
    # Her brother: enrolled.
    Student(
        *("070301294JA", "LE GOFF", "Gwendal", "2007-03-01", "1", "29232"),
        (Stay("inscrit", "formation initiale", *_QUIMPER),),
    ),
    # Admitted, and not enrolled yet.
    Student(
        *("060911642BC", "ETCHEBEHERE", "Xan", "2006-09-11", "1", "64102"),
        (Stay("admis", "formation initiale hors apprentissage", *_PAU),),
    ),
    # Back to university, born abroad.
    Student(
        *("1800274516Z", "OUEDRAOGO-BLIN", "Aïssata", "1984-12-30", "2", ""),
        (Stay("inscrit", "reprise d'études non financée sans convention", *_QUIMPER),),
    ),
    # Known, without any registration.
    Student(*("2904A10573T", "ZUNZARREN", "Maïté", "2004-02-29", "2", "64130"), None),
)


def complaint(method: str, message: str, parameter: str = "") -> Json:
    details = {"method": method, "endpoint": "etudiant", "parameter": parameter}
    return {"message": message, "uid": "6a1b2c3d4e5f6_0000", "details": details}


_ODD_NAMES: dict[str, Said] = {
    "REFUS": (400, complaint("GET", WRONG, WRONG_INE)),
    "REPONSE-NULLE": (200, None),
    "SANS-NOM": (200, {"prenom": "Camille", "inscriptions": []}),
}
ODDITIES = _ODD_NAMES | {as_ine(name): said for name, said in _ODD_NAMES.items()}
"""By name, and by an INE that says the same: `SANSNOM0000`."""


def file_of(student: Student, today: date) -> dict[str, Any]:
    file = {"nomFamille": student.nom, "prenom": student.prenom, "dateNaissance": student.naissance}
    if student.stays is None:
        return file
    return file | {"inscriptions": [_enrolment(stay, academic_year(today)) for stay in student.stays]}


def academic_year(today: date) -> int:
    """That in which it began, in September."""
    return today.year if today.month >= 9 else today.year - 1


def _enrolment(stay: Stay, year: int) -> dict[str, Any]:
    """Admissions are of July, before the year begins."""
    month = 9 if stay.statut == "inscrit" else 7
    return {
        "dateDebutInscription": f"{year}-{month:02d}-01",
        "dateFinInscription": f"{year + 1}-08-31",
        "statut": stay.statut,
        "codeCommune": stay.commune,
        "etablissement": {"uai": stay.uai, "nomEtablissement": stay.etablissement},
        "regime": stay.regime,
    }
