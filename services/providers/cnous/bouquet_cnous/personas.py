"""Invented students of the simulated Cnous. Names and INEs such as `PANNE-HTML` and `HTML0000000` make the simulator
fail (bouquet_worker.simulated_faults)."""
# Campaigns are counted back from the current one.
# A question finds a student by birth name, first names and birth date, in any letter case. If the question has a sex or
# a birth place, these must match too. A question with unknown fields, or without a required one, is refused. The names
# and INEs of `UNUSUAL_ANSWERS` get an unusual answer.

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

from msgspec import Struct

from bouquet_worker import PARIS
from bouquet_worker.simulated_faults import as_ine

Json: TypeAlias = dict[str, Any]
SimulatedAnswer: TypeAlias = tuple[int, Any]
"""Answer of the simulator: an HTTP status, and a value that is sent as the JSON body."""


class Grant(Struct, frozen=True, kw_only=True):
    echelon: str
    town: str
    school: str
    status: int = 0
    removed: bool = False


class Student(Struct, frozen=True, kw_only=True):
    ine: str
    nom: str
    prenoms: tuple[str, ...]
    naissance: date
    sexe: str
    commune: str = ""
    """INSEE code of the commune of birth; empty for a birth abroad."""
    place: Mapping[str, object]
    """Birth place in Cnous's JSON, under two keys: `birthPlace` (the commune's code and name) and `birthPlaceLibelle`
    (free text). One of the two is null."""
    grants: Mapping[int, Grant]
    """Scholarships of the student by yearly campaign: 0 is the current campaign, 1 last year's campaign."""

    def is_named(self, nom: str, prenoms: str, naissance: str, sexe: str, commune: str) -> bool:
        """Returns whether the simulated Cnous finds this student when asked about this civil status. An empty `sexe` or
        `commune` matches every student."""
        # The search may give all first names of the student in order, or leave out some at the end. An empty `sexe` or
        # `commune` matches any student.
        asked = tuple(name.upper() for name in prenoms.split(", "))
        who = (self.nom.upper(), tuple(map(str.upper, self.prenoms[: len(asked)])), f"{self.naissance:%d/%m/%Y}")
        return who == (nom.upper(), asked, naissance) and sexe in ("", self.sexe) and commune in ("", self.commune)


def _commune(code: str, name: str) -> Json:
    return {"birthPlace": {"id": int(code), "com": code, "libelle": name}, "birthPlaceLibelle": None}


def _text(name: str) -> Json:
    return {"birthPlace": None, "birthPlaceLibelle": name}


STUDENTS = (
    # Three campaigns, two establishments.
    Student(
        ine="050617293HK",
        nom="LE GOFF",
        prenoms=("Maïwenn", "Rozenn"),
        naissance=date(2005, 6, 17),
        sexe="F",
        commune="29039",
        place=_commune("29039", "Concarneau"),
        grants={
            0: Grant(echelon="5", town="BREST", school="UFR DES SCIENCES SIMULEES"),
            1: Grant(echelon="6", town="BREST", school="UFR DES SCIENCES SIMULEES"),
            2: Grant(echelon="0bis", town="QUIMPER", school="LYCEE FICTIF DE CORNOUAILLE"),
        },
    ),
    # Her brother: struck off on the first day.
    Student(
        ine="070301294JA",
        nom="LE GOFF",
        prenoms=("Gwendal",),
        naissance=date(2007, 3, 1),
        sexe="M",
        commune="29232",
        place=_commune("29232", "Quimper"),
        grants={0: Grant(echelon="5", town="QUIMPER", school="IUT FICTIF DE CORNOUAILLE", removed=True)},
    ),
    # A regional scholarship, provisional; three first names; a birth place as he typed it.
    Student(
        ine="060911642BC",
        nom="ETCHEBEHERE",
        prenoms=("Xan", "Peio", "Eneko"),
        naissance=date(2006, 9, 11),
        sexe="M",
        commune="64102",
        place=_text("Bayonne"),
        grants={0: Grant(echelon="2", status=1, town="PAU", school="IFSI IMAGINAIRE")},
    ),
    # A scholarship last year, none since.
    Student(
        ine="2904A10573T",
        nom="ZUNZARREN",
        prenoms=("Maïté",),
        naissance=date(2004, 2, 29),
        sexe="F",
        commune="64130",
        place=_commune("64130", "Biriatou"),
        grants={1: Grant(echelon="7", town="PAU", school="FACULTE DE DROIT IMAGINAIRE")},
    ),
    # Born abroad.
    Student(
        ine="1800274516Z",
        nom="OUEDRAOGO-BLIN",
        prenoms=("Aïssata",),
        naissance=date(1984, 12, 30),
        sexe="F",
        place=_text("Ouagadougou"),
        grants={0: Grant(echelon="1", town="QUIMPER", school="IUT FICTIF DE CORNOUAILLE")},
    ),
)

NOT_FOUND: Json = {"description": "Étudiant(e) non trouvé(e)", "code": 404}
BAD_REQUEST: Json = {"description": "Mauvais paramètres", "code": 400}
_TWIN: Json = {"lastName": "HOMONYME", "firstName": "Alix", "boursier": True}

_UNUSUAL_BY_NAME: dict[str, SimulatedAnswer] = {
    "REFUS": (400, BAD_REQUEST),
    "HOMONYME": (200, [_TWIN, _TWIN]),
    "LISTE-VIDE": (200, []),
    "REPONSE-NULLE": (200, None),
    "SANS-NOM": (200, {"firstName": "Camille", "boursier": True}),
    "INCONNU-EN-LISTE": (404, [NOT_FOUND]),
}
UNUSUAL_ANSWERS = _UNUSUAL_BY_NAME | {as_ine(name): answer for name, answer in _UNUSUAL_BY_NAME.items()}
"""Maps an invented birth name, such as `SANS-NOM`, to an unusual answer of the simulator, such as a list of two
students. The INE made from the name, `SANSNOM0000`, leads to the same answer."""


def record_of(student: Student, campaign_year: int | None, today: date) -> Json | None:
    """Returns a student's scholarship in Cnous's JSON, or `None` if there is none. `campaign_year` is the year in which
    the campaign begins; `None` means the latest campaign."""
    now = academic_year(today)
    year = now - min(student.grants) if campaign_year is None else campaign_year
    grant = student.grants.get(now - year)
    return _record(student, grant, year) if grant else None


def academic_year(today: date) -> int:
    return today.year if today.month >= 9 else today.year - 1


def _record(student: Student, grant: Grant, year: int) -> Json:
    """Returns a scholarship in Cnous's JSON, with all keys of the real API (docs/reference/upstreams/cnous.md §3).
    `year` is the year in which the campaign begins."""
    back = date(year, 9, 1)
    prenoms = dict(zip(("firstName", "firstName2", "firstName3"), (*student.prenoms, None, None), strict=False))
    return {
        "id": int(student.ine[:4]),
        "lastName": student.nom,
        **prenoms,
        "birthDate": _instant(student.naissance),
        **student.place,
        "civility": student.sexe,
        "email": f"{student.ine.lower()}@etudiant.invalid",
        "grantStatus": grant.status,
        "grantEchelon": grant.echelon,
        "grantLevel": "1",
        "grantFileNumber": None,
        "studyTown": grant.town,
        "backToSchoolDate": _instant(back),
        "paymentDuration": 10,
        "campaign": {
            "id": year - 2020,
            "year": year,
            "openedAt": _instant(date(year, 3, 1)),
            "closedAt": _instant(date(year + 1, 8, 31)),
            "active": True,
        },
        "region": {"id": 1, "code": "00", "name": "CNOUS", "officialName": "CNOUS"},
        "updatedAt": _instant(back + timedelta(days=20)),
        "useName": None,
        "schoolName": grant.school,
        "numberUaiRne": "0299002L",
        "grantNotificationDate": None,
        "grantEffectDate": None,
        "ine": student.ine,
        "scholarshipHolderStatus": None,
        "removalDate": _instant(back) if grant.removed else None,
        "removed": "O" if grant.removed else "N",
        "boursier": True,
        "grantEchelonAglae": f"{grant.echelon[0]}0",
    }


def _instant(day: date) -> str:
    return datetime(day.year, day.month, day.day, tzinfo=PARIS).isoformat()
