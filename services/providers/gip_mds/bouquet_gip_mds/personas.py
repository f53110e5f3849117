"""Invented people of the simulated GIP-MDS. A search for a birth name such as `PANNE-HTML` makes the simulator fail
(bouquet_worker.simulated_faults)."""
# The contracts are relative to today's year, so that a current one stays current.

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

Json: TypeAlias = dict[str, Any]


class PersonKey(Struct, frozen=True):
    """Key by which the simulator finds an invented person. The birth name is in capitals, the first name in small
    letters, and the birth date is `DDMMYYYY`."""

    nom: str
    prenom: str
    naissance: str


class Contract(Struct, frozen=True):
    """Contract of civic service. The beginning and the end are pairs: a number of years, counted from the present year,
    and a day `MM-DD`. For example, `(-3, "02-01")` is 1 February three years ago."""

    siret: str
    raison_sociale: str
    begins: tuple[int, str]
    ends: tuple[int, str] | None = None
    """Declared end, as a number of years and a day `MM-DD`; `None` if no end is declared. The planned end is always a
    year after the beginning."""
    motif_rupture: str | None = None

    def employer(self, year: int) -> Json:
        """Returns the GIP-MDS's JSON about the employer that hosts the volunteer, with the contract in it. The
        contract's dates depend on `year`, the present calendar year."""
        years, day = self.begins
        contract = {
            "dateDebutContrat": f"{year + years}-{day}",
            "natureContrat": "89",
            "dateFinPrevisionnelle": f"{year + years + 1}-{day}",
            "dateFinContrat": f"{year + self.ends[0]}-{self.ends[1]}" if self.ends else None,
            "motifRupture": self.motif_rupture,
        }
        return {
            "siren": self.siret[:9],
            "raisonSociale": self.raison_sociale,
            "etablissement": [{"siret": self.siret, "contrat": [contract]}],
        }


TOWN = ("21290019900017", "COMMUNE SIMULEE DE BREST")
LIBRARY = ("21350238200019", "BIBLIOTHEQUE SIMULEE DE RENNES")

PEOPLE: dict[PersonKey, tuple[Contract, ...]] = {
    # A student in civic service at a town hall, for the second time.
    PersonKey("LE GOFF", "maïwenn", "17062005"): (
        Contract(*TOWN, begins=(0, "01-05")),
        Contract(*LIBRARY, begins=(-3, "02-01"), ends=(-3, "09-30"), motif_rupture="31"),
    ),
    # Her brother: for the first time; the end that was declared is not one.
    PersonKey("LE GOFF", "gwendal", "01032007"): (
        Contract(*LIBRARY, begins=(0, "02-01"), ends=(0, "09-30"), motif_rupture="99"),
    ),
    # Has done a civic service twice.
    PersonKey("D'HÉROUVILLE", "zoë", "24091999"): (
        Contract(*TOWN, begins=(-5, "10-01"), ends=(-4, "05-31"), motif_rupture="31"),
        Contract(*LIBRARY, begins=(-4, "11-02"), ends=(-3, "06-30"), motif_rupture="59"),
    ),
    # Known, never in civic service.
    PersonKey("LE GOUADEC", "maëlys", "14061989"): (),
}
NAMESAKES = PersonKey("MARTIN", "jean", "01011990")
"""Civil status that several people have. The simulator refuses a search for it."""


def file_of(contracts: tuple[Contract, ...], year: int) -> Json:
    """Returns the body of the GIP-MDS's answer about a person with these contracts. The contracts' dates depend on
    `year`, the present calendar year."""
    return {
        "individu": {"entreprise": [contract.employer(year) for contract in contracts]},
        "retour": {"codeRetour": "OK", "message": "Pas d'erreur."},
    }


def error(code: str) -> Json:
    return {"erreurs": [{"code": code, "message": "Message simulé."}]}
