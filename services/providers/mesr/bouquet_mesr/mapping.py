"""Conversion of the ministry of higher education's JSON about a student into the student that the API publishes
(docs/reference/upstreams/mesr.md §3)."""

from __future__ import annotations

from bouquet_mesr import contract
from bouquet_mesr.contract import Etudiant
from bouquet_mesr.upstream import ENROLLED, REGIMES, Enrolment, School, Student


def to_contract(student: Student) -> Etudiant:
    return Etudiant(
        ine=student.ine,
        identite=contract.Identite(
            nom_naissance=student.nom_famille, prenom=student.prenom, date_naissance=student.date_naissance
        ),
        admissions=tuple(map(admission, student.inscriptions or ())),
    )


def admission(enrolment: Enrolment) -> contract.Admission:
    school = enrolment.etablissement or School()
    return contract.Admission(
        date_debut=enrolment.date_debut_inscription,
        date_fin=enrolment.date_fin_inscription,
        est_inscrit=ENROLLED.get(enrolment.statut),
        regime_formation=contract.RegimeFormation(libelle=enrolment.regime, code=REGIMES.get(enrolment.regime)),
        code_cog_insee_commune=enrolment.code_commune,
        etablissement_etudes=contract.Etablissement(uai=school.uai, nom=school.nom_etablissement),
    )
