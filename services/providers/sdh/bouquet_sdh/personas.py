"""Invented athletes of the simulated Sport Data Hub, by number. In tests, a text such as `panne-html` instead of a
number makes the simulator fail (bouquet_worker.simulated_faults)."""
# The periods are relative to today's year, so that a current record stays current.

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

Json: TypeAlias = dict[str, Any]

ROWING = {
    "federation": 12,
    "nomFederation": "Fédération simulée d'aviron",
    "nomCourtFederation": "AVIRON",
}
FENCING = {"federation": 37, "nomFederation": "Fédération simulée d'escrime", "nomCourtFederation": "ESCRIME"}
ELITE = {"categorie": 4, "libCategorie": "Elite", "hautNiveau": True, "valeur": 128}
HOPE = {"categorie": 9, "libCategorie": "Espoir", "hautNiveau": False, "valeur": 8}
BREST = {"etablissement": 2901, "nomEtablissement": "POLE SIMULE DE BREST", "region": 53, "nomRegion": "Bretagne"}
PAU = {"etablissement": 6402, "nomEtablissement": "POLE SIMULE DE PAU", "region": 75, "nomRegion": "Nouvelle-Aquitaine"}


class Persona(Struct, frozen=True, kw_only=True):
    """Invented athlete, with the JSON of the Sport Data Hub. In place of dates, a record or a training has the key
    `years`. `(-1, 0)`, for example, means from the beginning of last year to the end of this year."""

    story: str
    person: Json
    records: tuple[Json, ...]
    trainings: tuple[Json, ...] = ()

    def file(self, year: int) -> Json:
        """Returns the Sport Data Hub's JSON about the athlete, with dates relative to `year`, the present calendar
        year."""
        return self.person | {
            "fichesHN": [_dated(record, year, "debutDroits", "finDroits") for record in self.records],
            "fichesClub": [],
            "fichesSportif": [_dated(training, year, "debut", "fin") for training in self.trainings],
        }


def _dated(period: Json, year: int, first: str, last: str) -> Json:
    begins, ends = period["years"]
    dates = {first: f"{year + begins}-01-01T00:00:00", last: f"{year + ends}-12-31T00:00:00"}
    return {**{key: value for key, value in period.items() if key != "years"}, **dates}


def _person(nom: str, prenom: str, born: str, genre: str, nom_usage: str = "") -> Json:
    return {"nom": nom, "prenom": prenom, "nomUsage": nom_usage, "dateNaissance": f"{born}T00:00:00", "genre": genre}


PERSONAS = {
    "290114": Persona(
        story="Of high level, for the second time, and trains in Brest after Pau",
        person=_person("KERMORVAN", "Nolwenn Anne", "1999-05-21", "F", "KERMORVAN-DIAZ"),
        records=(
            {"fiche": 700101, "years": (0, 0), **ROWING, **ELITE},
            {"fiche": 700044, "years": (-2, -2), **ROWING, **ELITE},
        ),
        trainings=(
            {"active": True, "years": (-1, 0), **BREST},
            {"active": False, "years": (-3, -2), **PAU},
        ),
    ),
    "320207": Persona(
        story="A hope today, for the first time; trains nowhere",
        person=_person("CASTAGNOS", "Basile", "2011-04-08", "M"),
        records=({"fiche": 700230, "years": (0, 0), **FENCING, **HOPE},),
    ),
    "721188": Persona(
        story="Of high level until some years ago",
        person=_person("BRIANCHON", "Armand", "1988-09-30", "M"),
        records=({"fiche": 600812, "years": (-6, -5), **FENCING, **ELITE},),
    ),
    "440410": Persona(
        story="Known, never on a list",
        person=_person("FONTVIEILLE", "Odile", "1995-02-11", "F"),
        records=(),
    ),
}
