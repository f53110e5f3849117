"""The pupils of the simulated ministry. All invented, schools too; whoever is not here is unknown to it.

Case does not matter in their names. Any school year will do: the answer bears the one that was asked for.
`PANNE-HTML`, `PANNE-FORBIDDEN`… make the ministry unwell (bouquet_worker.simulated_faults).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class School(Struct, frozen=True):
    uai: str
    degree: str
    departement: str
    region: str
    """Of the ministry's nomenclature, not INSEE's."""
    ministry: str = "06"

    def covered_by(self, degree: str, kind: str, codes: list[str]) -> bool:
        return degree == self.degree and {"departement": self.departement, "region": self.region}.get(kind) in codes


class Who(Struct, frozen=True):
    """What a pupil is found by."""

    nom: str
    prenom: str
    sexe: int
    naissance: str


class Persona(Struct, frozen=True, kw_only=True):
    story: str
    who: Who
    other_names: tuple[str, ...] = ()
    school: School
    scolarite: Mapping[str, Any] | None
    """`info-scolarite`; `None`: she has left for higher education, which is out of this API's reach."""
    bourse: Mapping[str, Any] | None = None
    """`info-bourse`; `None`: the key is absent, as for all who are asked for without a right to it."""


def schooling(mef: str, libelle: str, regime: str | None = None, statut: str = "ST SCOLAIRE") -> dict[str, Any]:
    code, _, label = statut.partition(" ")
    return {
        "est-scolarise": True,
        "code-mef-stat": mef,
        "libelle-long-mef": libelle,
        **({"code-regime": regime} if regime else {}),
        "statut-eleve": {"code": code, "libelle": label},
    }


COLLEGE = School("0359417N", "2D", "035", "03")
LYCEE = School("0319622T", "2D", "031", "16")
AGRICOLE = School("0159803W", "2D", "015", "01", ministry="10")
ECOLE = School("0789254H", "1D", "078", "10")
SCHOOLS = {school.uai: school for school in (COLLEGE, LYCEE, AGRICOLE, ECOLE)}

PERSONAS = (
    Persona(
        story="At a collège in Ille-et-Vilaine, scholarship of the third step, eats there",
        who=Who("Kervadec", "Maëline", 2, "2012-03-14"),
        other_names=("Anne", "Rozenn"),
        school=COLLEGE,
        scolarite=schooling("10010012110", "4EME GENERALE", "2"),
        bourse={"est-boursier": True, "niveau-bourse": 3},
    ),
    Persona(
        story="At a lycée in Toulouse, boarder, scholarship of the sixth step",
        who=Who("Tissandreau", "Odilon", 1, "2008-11-02"),
        school=LYCEE,
        scolarite=schooling("20110019110", "1ERE GENERALE", "3"),
        bourse={"est-boursier": True, "niveau-bourse": 6},
    ),
    Persona(
        story="At the same lycée, no scholarship",
        who=Who("Fontauzard", "Philippine", 2, "2009-01-30"),
        school=LYCEE,
        scolarite=schooling("20010018110", "2NDE GENERALE ET TECHNOLOGIQUE", "0"),
        bourse={"est-boursier": False},
    ),
    Persona(
        story="At an agricultural lycée, apprentice, eats elsewhere",
        who=Who("Trescarpe", "Tancrède", 1, "2007-06-19"),
        school=AGRICOLE,
        scolarite=schooling("24021004431", "TLEPRO CONDUITE DE PRODUCTIONS", "6", "AP APPRENTI"),
        bourse={"est-boursier": False, "niveau-bourse": None},
    ),
    Persona(
        story="At an elementary school, where there are no scholarships and no regimes",
        who=Who("Vaudremont", "Lison", 2, "2017-09-08"),
        school=ECOLE,
        scolarite=schooling("00110000110", "CYCLE 3 CM1"),
        bourse={"est-boursier": False},
    ),
    Persona(
        story="Known, but at no school this year",
        who=Who("Brissonnet", "Aurèle", 1, "2010-05-27"),
        school=COLLEGE,
        scolarite={"est-scolarise": False},
    ),
    Persona(
        story="Has gone on to a BTS, which is out of reach",
        who=Who("Lagardelle", "Sidonie", 2, "2005-12-21"),
        school=LYCEE,
        scolarite=None,
    ),
)


def key_of(nom: str, prenom: str, sexe: int, naissance: str) -> Who:
    return Who(nom.casefold(), prenom.casefold(), sexe, naissance)


BY_KEY = {key_of(*(getattr(persona.who, name) for name in Who.__struct_fields__)): persona for persona in PERSONAS}
