"""Invented pupils and schools of the simulated ministry of education. A search for a birth name such as `PANNE-HTML`
makes the simulator fail (bouquet_worker.simulated_faults)."""
# The simulator knows no others. A question may write names in any letter case. A pupil's answer is the same for every
# school year, and repeats the school year of the question.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class School(Struct, frozen=True):
    uai: str
    degree: str
    departement: str
    region: str
    """Code of the region in the ministry of education's own nomenclature."""
    ministry: str = "06"

    def covered_by(self, degree: str, kind: str, codes: list[str]) -> bool:
        """Returns whether the school has this `degree` and lies in one of the areas with the given `codes`. The degree
        is `1D` for primary or `2D` for secondary. `kind` says what the areas are: `departement` or `region`."""
        return degree == self.degree and {"departement": self.departement, "region": self.region}.get(kind) in codes


class PupilKey(Struct, frozen=True):
    """Identity by which the simulator finds an invented pupil. `sexe` is the ministry's code, 1 (male) or 2 (female).
    Make keys with `key_of`, which puts the names in lower case."""

    nom: str
    prenom: str
    sexe: int
    naissance: str


class Persona(Struct, frozen=True, kw_only=True):
    story: str
    who: PupilKey
    other_names: tuple[str, ...] = ()
    school: School
    scolarite: Mapping[str, Any] | None
    """Value of the key `info-scolarite` (the pupil's schooling) in the ministry's answer. `None` for a pupil in higher
    education, about whom the ministry answers 404."""
    bourse: Mapping[str, Any] | None = None
    """Value of the key `info-bourse` (the pupil's scholarship) in the ministry's answer; `None` if the answer lacks the
    key."""


def schooling(mef: str, libelle: str, regime: str | None = None, statut: str = "ST SCOLAIRE") -> dict[str, Any]:
    """Returns the part `info-scolarite` of the ministry's JSON about an enrolled pupil. `mef` and `libelle` are the
    code and the label of the training. `regime` is the code of the boarding regime, or `None` to leave it out. `statut`
    holds the code and the label of the pupil's status."""
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
        who=PupilKey("Kervadec", "Maëline", 2, "2012-03-14"),
        other_names=("Anne", "Rozenn"),
        school=COLLEGE,
        scolarite=schooling("10010012110", "4EME GENERALE", "2"),
        bourse={"est-boursier": True, "niveau-bourse": 3},
    ),
    Persona(
        story="At a lycée in Toulouse, boarder, scholarship of the sixth step",
        who=PupilKey("Tissandreau", "Odilon", 1, "2008-11-02"),
        school=LYCEE,
        scolarite=schooling("20110019110", "1ERE GENERALE", "3"),
        bourse={"est-boursier": True, "niveau-bourse": 6},
    ),
    Persona(
        story="At the same lycée, no scholarship",
        who=PupilKey("Fontauzard", "Philippine", 2, "2009-01-30"),
        school=LYCEE,
        scolarite=schooling("20010018110", "2NDE GENERALE ET TECHNOLOGIQUE", "0"),
        bourse={"est-boursier": False},
    ),
    Persona(
        story="At an agricultural lycée, apprentice, eats elsewhere",
        who=PupilKey("Trescarpe", "Tancrède", 1, "2007-06-19"),
        school=AGRICOLE,
        scolarite=schooling("24021004431", "TLEPRO CONDUITE DE PRODUCTIONS", "6", "AP APPRENTI"),
        bourse={"est-boursier": False, "niveau-bourse": None},
    ),
    Persona(
        story="At an elementary school, where there are no scholarships and no regimes",
        who=PupilKey("Vaudremont", "Lison", 2, "2017-09-08"),
        school=ECOLE,
        scolarite=schooling("00110000110", "CYCLE 3 CM1"),
        bourse={"est-boursier": False},
    ),
    Persona(
        story="Known, but at no school this year",
        who=PupilKey("Brissonnet", "Aurèle", 1, "2010-05-27"),
        school=COLLEGE,
        scolarite={"est-scolarise": False},
    ),
    Persona(
        story="Has gone on to a BTS, which is out of reach",
        who=PupilKey("Lagardelle", "Sidonie", 2, "2005-12-21"),
        school=LYCEE,
        scolarite=None,
    ),
)


def key_of(nom: str, prenom: str, sexe: int, naissance: str) -> PupilKey:
    """Returns the key in `BY_KEY` of the pupil with this civil status, whatever the case of the names."""
    return PupilKey(nom.casefold(), prenom.casefold(), sexe, naissance)


BY_KEY = {key_of(*(getattr(persona.who, name) for name in PupilKey.__struct_fields__)): persona for persona in PERSONAS}
