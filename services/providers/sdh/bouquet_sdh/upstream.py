"""Answers of the Sport Data Hub about an athlete (docs/reference/upstreams/sdh.md §2-3). Fields have the names that the
hub gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from bouquet_worker import IsoDate, IsoDateOrBlank, day_of

ATHLETE = "/{identifiant}"
"""Path of the data about one athlete, below the URL of the Sport Data Hub. `{identifiant}` stands for the athlete's
number."""

SEXES: dict[str | None, Literal["M", "F"]] = {"M": "M", "F": "F"}


class Record(Struct, frozen=True, rename="camel"):
    """Period in which a person is on one of the sports ministry's lists. `debut_droits` is the first day of the period,
    and `fin_droits` the last."""

    fiche: int
    debut_droits: IsoDate
    fin_droits: IsoDate
    haut_niveau: bool
    federation: int | None = None
    nom_federation: str | None = None
    nom_court_federation: str | None = None
    categorie: int | None = None
    lib_categorie: str | None = None
    valeur: int | None = None

    def is_current(self, today: str) -> bool:
        return day_of(self.debut_droits) <= today <= day_of(self.fin_droits)

    def is_past(self, today: str) -> bool:
        return day_of(self.fin_droits) < today


class Training(Struct, frozen=True, rename="camel"):
    """Period in which an athlete trains at an establishment. Fields whose value is unknown are `None`."""

    active: bool
    debut: IsoDateOrBlank | None = None
    fin: IsoDateOrBlank | None = None
    etablissement: int | None = None
    nom_etablissement: str | None = None
    region: int | None = None
    nom_region: str | None = None

    def overlaps(self, record: Record) -> bool:
        """Returns whether the training and the period of `record` have a day in common. A training without an end never
        ends. Returns `False` for a training without a beginning."""
        begins, ends = day_of(self.debut or ""), day_of(self.fin or "") or "9999-12-31"
        return bool(begins) and begins <= day_of(record.fin_droits) and day_of(record.debut_droits) <= ends


class Athlete(Struct, frozen=True, rename="camel"):
    """Athlete in the Sport Data Hub's JSON: the body of an answer with status 200."""

    # `fichesHN` is required, so that another service's answer is not read as an athlete without any status.

    nom: Annotated[str, Meta(min_length=1)]
    fiches_hn: tuple[Record, ...] | None = field(name="fichesHN")
    nom_usage: str | None = None
    prenom: str | None = None
    date_naissance: IsoDateOrBlank | None = None
    genre: str | None = None
    fiches_sportif: tuple[Training, ...] | None = None


class Absence(Struct, frozen=True):
    """Body of a 404 for an unknown athlete: any JSON object, since the Sport Data Hub documents no fields."""


def current_record(records: Iterable[Record], today: str) -> Record | None:
    """Returns the first record that is valid on the day `today` (`YYYY-MM-DD`), or `None` if none is."""
    return next((record for record in records if record.is_current(today)), None)


def training_today(trainings: Iterable[Training]) -> Training | None:
    """Returns the first training that the Sport Data Hub marks as active (today); `None` if no training is active."""
    return next((training for training in trainings if training.active), None)


def training_during(record: Record, trainings: Iterable[Training]) -> Training | None:
    """Returns the training that overlaps the period of `record`, or `None` if none does. Of several trainings, returns
    the one that began last."""
    return max(
        (training for training in trainings if training.overlaps(record)),
        key=lambda training: training.debut or "",
        default=None,
    )
