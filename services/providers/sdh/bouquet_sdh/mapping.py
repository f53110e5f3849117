"""Conversion of an athlete in the Sport Data Hub's JSON into the published status (docs/reference/upstreams/sdh.md
§2)."""

from __future__ import annotations

from datetime import date
from typing import Any

from msgspec import UNSET

from bouquet_sdh import contract
from bouquet_sdh.contract import StatutSportif
from bouquet_sdh.upstream import (
    SEXES,
    Athlete,
    Record,
    Training,
    current_record,
    training_during,
    training_today,
)
from bouquet_worker import day_of, day_or_none, none_if_blank


def to_contract(athlete: Athlete, today: date) -> StatutSportif:
    records, trainings, day = athlete.fiches_hn or (), athlete.fiches_sportif or (), today.isoformat()
    current = current_record(records, day)
    others = (record for record in records if record is not current)
    return StatutSportif(
        identite=contract.Identite(
            nom_naissance=athlete.nom,
            nom_usage=none_if_blank(athlete.nom_usage),
            prenoms=none_if_blank(athlete.prenom),
            date_naissance=day_or_none(athlete.date_naissance),
            sexe=SEXES.get(athlete.genre),
        ),
        est_sportif_de_haut_niveau=current.haut_niveau if current else False,
        a_ete_sportif_de_haut_niveau=any(record.haut_niveau for record in records if record.is_past(day)),
        informations_statut=current_status(current, training_today(trainings)) if current else None,
        informations_statuts_precedents=tuple(other_status(one, training_during(one, trainings)) for one in others),
    )


def current_status(record: Record, training: Training | None) -> contract.InformationsStatut:
    return contract.InformationsStatut(
        **_status(record),
        etablissement=_etablissement(training or _UNKNOWN),
        region=_region(training or _UNKNOWN),
    )


def other_status(record: Record, training: Training | None) -> contract.StatutPrecedent:
    return contract.StatutPrecedent(
        fiche=record.fiche,
        **_status(record),
        etablissement=_etablissement(training) if training else UNSET,
        region=_region(training) if training else UNSET,
    )


_UNKNOWN = Training(active=False)
"""Training without establishment and region, for the current status of an athlete who trains nowhere."""


def _status(record: Record) -> dict[str, Any]:
    """Returns the fields that current and earlier statuses share, such as period and federation."""
    return {
        "periode": contract.Periode(
            date_debut_statut=day_of(record.debut_droits), date_fin_statut=day_of(record.fin_droits)
        ),
        "federation": contract.Federation(
            code_federation=_code(record.federation),
            nom_federation=none_if_blank(record.nom_federation),
            nom_court_federation=none_if_blank(record.nom_court_federation),
        ),
        "categorie": contract.Categorie(
            code_categorie=_code(record.categorie),
            nom_categorie=none_if_blank(record.lib_categorie),
            valeur=_code(record.valeur),
        ),
        "sportif_de_haut_niveau": record.haut_niveau,
    }


def _etablissement(training: Training) -> contract.Etablissement:
    return contract.Etablissement(
        code_etablissement=_code(training.etablissement), nom_etablissement=none_if_blank(training.nom_etablissement)
    )


def _region(training: Training) -> contract.Region:
    return contract.Region(code_region=_code(training.region), nom_region=none_if_blank(training.nom_region))


def _code(number: int | None) -> str | None:
    """Converts a code of the Sport Data Hub, such as a federation's 12, to the published text "12". `None` stays
    `None`."""
    return None if number is None else str(number)
