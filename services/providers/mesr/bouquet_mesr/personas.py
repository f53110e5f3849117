"""Invented students of the simulated ministry of higher education. A birth name such as `PANNE-HTML`, or an INE such as
`HTML0000000`, makes the simulator fail (bouquet_worker.simulated_faults)."""
# They study in the current academic year. A question finds a student by birth name, first name and birth date, in any
# letter case. If the question has a sex or a birth place, these must be right too. The ministry refuses other fields.
# The birth names and INEs in `UNUSUAL_ANSWERS` get unusual answers.

from __future__ import annotations

from datetime import date
from typing import Any, TypeAlias

from msgspec import Struct

from bouquet_worker.simulated_faults import as_ine

Json: TypeAlias = dict[str, Any]
SimulatedAnswer: TypeAlias = tuple[int, Any]

PERSON_UNKNOWN = "étudiant introuvable"
INE_UNKNOWN = "inscription introuvable"
WRONG = "la valeur du paramètre n'est pas valide"
WRONG_INE = "le format de l'INE n'est valide"  # sic


class Registration(Struct, frozen=True):
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
    registrations: tuple[Registration, ...] | None
    """Admissions and enrolments of the student; `None` to leave them out of the ministry's answer."""

    def matches(self, search: dict[str, str]) -> bool:
        """Returns whether the student has every value in `search`, regardless of case."""
        own = {
            "nomFamille": self.nom,
            "prenom1": self.prenom,
            "dateNaissance": self.naissance,
            "sexe": self.sexe,
            "lieuNaissance": self.commune,
        }
        return all(own[name].upper() == value.upper() for name, value in search.items())


_QUIMPER = ("29232", "0299001K", "IUT FICTIF DE CORNOUAILLE (29000)")
_BREST = ("29019", "0299002L", "UFR DES SCIENCES SIMULEES DE BREST (29200)")
_PAU = ("64445", "0649003M", "FACULTE DE DROIT IMAGINAIRE DE PAU (64000)")

STUDENTS = (
    # An apprentice in Brest, admitted in Pau as well.
    Student(
        *("050617293HK", "LE GOFF", "Maïwenn", "2005-06-17", "2", "29039"),
        (
            Registration("inscrit", "contrat d'apprentissage", *_BREST),
            Registration("admis", "formation initiale", *_PAU),
        ),
    ),
    # Her brother: enrolled.
    Student(
        *("070301294JA", "LE GOFF", "Gwendal", "2007-03-01", "1", "29232"),
        (Registration("inscrit", "formation initiale", *_QUIMPER),),
    ),
    # Admitted, and not enrolled yet.
    Student(
        *("060911642BC", "ETCHEBEHERE", "Xan", "2006-09-11", "1", "64102"),
        (Registration("admis", "formation initiale hors apprentissage", *_PAU),),
    ),
    # Back to university, born abroad.
    Student(
        *("1800274516Z", "OUEDRAOGO-BLIN", "Aïssata", "1984-12-30", "2", ""),
        (Registration("inscrit", "reprise d'études non financée sans convention", *_QUIMPER),),
    ),
    # Known, without any registration.
    Student(*("2904A10573T", "ZUNZARREN", "Maïté", "2004-02-29", "2", "64130"), None),
)


def complaint(method: str, message: str, parameter: str = "") -> Json:
    details = {"method": method, "endpoint": "etudiant", "parameter": parameter}
    return {"message": message, "uid": "6a1b2c3d4e5f6_0000", "details": details}


_UNUSUAL_BY_NAME: dict[str, SimulatedAnswer] = {
    "REFUS": (400, complaint("GET", WRONG, WRONG_INE)),
    "REPONSE-NULLE": (200, None),
    "SANS-NOM": (200, {"prenom": "Camille", "inscriptions": []}),
}
UNUSUAL_ANSWERS = _UNUSUAL_BY_NAME | {as_ine(name): answer for name, answer in _UNUSUAL_BY_NAME.items()}
"""Maps a birth name or an INE (student number) to an unusual answer, as a pair of HTTP status and body. For example, a
lookup of `SANS-NOM` or of `SANSNOM0000` is answered with a student without a birth name."""


def file_of(student: Student, today: date) -> dict[str, Any]:
    file = {"nomFamille": student.nom, "prenom": student.prenom, "dateNaissance": student.naissance}
    if student.registrations is None:
        return file
    return file | {
        "inscriptions": [_enrolment(registration, academic_year(today)) for registration in student.registrations]
    }


def academic_year(today: date) -> int:
    """Returns the year in which the current academic year began, in September."""
    return today.year if today.month >= 9 else today.year - 1


def _enrolment(registration: Registration, year: int) -> dict[str, Any]:
    """Returns an enrolment or an admission in the ministry's JSON. `year` is the calendar year in which the academic
    year begins."""
    # An enrolment begins in September with the academic year, an admission in July before it.
    month = 9 if registration.statut == "inscrit" else 7
    return {
        "dateDebutInscription": f"{year}-{month:02d}-01",
        "dateFinInscription": f"{year + 1}-08-31",
        "statut": registration.statut,
        "codeCommune": registration.commune,
        "etablissement": {"uai": registration.uai, "nomEtablissement": registration.etablissement},
        "regime": registration.regime,
    }
