"""Conversion of a scholarship in Cnous's JSON into the result of the worker's handlers
(docs/reference/upstreams/cnous.md §3)."""

from __future__ import annotations

from bouquet_cnous import contract
from bouquet_cnous.contract import Dossier
from bouquet_cnous.upstream import REMOVED, SEXES, Place, Scholarship
from bouquet_worker import day_or_none, none_if_blank


def to_contract(scholarship: Scholarship) -> Dossier:
    return Dossier(
        ine=none_if_blank(scholarship.ine),
        identite=contract.Identite(
            nom=scholarship.last_name,
            prenoms=tuple(filter(None, map(none_if_blank, (scholarship.first_name, scholarship.first_name2)))),
            date_naissance=day_or_none(scholarship.birth_date),
            nom_commune_naissance=(scholarship.birth_place or Place()).libelle or scholarship.birth_place_libelle,
            sexe=SEXES.get(scholarship.civility),
        ),
        email=scholarship.email,
        statut_boursier=contract.StatutBoursier(
            est_boursier=scholarship.boursier,
            est_radie=REMOVED.get(scholarship.removed),
            date_radiation=day_or_none(scholarship.removal_date),
        ),
        echelon_bourse=contract.EchelonBourse(
            echelon=scholarship.grant_echelon,
            echelon_bourse_regionale_provisoire=provisional(scholarship.grant_status),
        ),
        statut_bourse=scholarship.grant_status,
        periode_versement_bourse=contract.PeriodeVersement(
            date_rentree=day_or_none(scholarship.back_to_school_date), duree=scholarship.payment_duration
        ),
        etablissement_etudes=contract.EtablissementEtudes(
            nom_commune=scholarship.study_town, nom_etablissement=scholarship.school_name
        ),
    )


def provisional(grant_status: int | None) -> bool | None:
    """Returns whether a grant with this status number is provisional; `None` for an unknown status (docs/contract.md,
    D13)."""
    return None if grant_status is None else grant_status > 0
