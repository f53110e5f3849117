"""Invented young people of the simulated DSNJ. A search for a birth name such as `PANNE-HTML` makes the simulator fail
(bouquet_worker.simulated_faults)."""
# They are from 16 to 25 years old until 2031.

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

Json: TypeAlias = dict[str, Any]


class Person(Struct, frozen=True, kw_only=True):
    given_name: str
    family_name: str
    birthdate: str
    gender: str
    birthplace: str | None
    birthcountry: str = "99100"
    en_regle: str
    complement: str | None = None

    def pivot(self) -> Json:
        """Returns the person's civil status in the DSNJ's JSON."""
        return {
            "given_name": self.given_name,
            "family_name": self.family_name,
            "birthdate": self.birthdate,
            "gender": self.gender,
            "birthplace": self.birthplace,
            "birthcountry": self.birthcountry,
        }


PEOPLE = (
    Person(
        given_name="Maiwenn",
        family_name="LE GOFF",
        birthdate="2005-06-17",
        gender="female",
        birthplace="29039",
        en_regle="En règle",
        complement="JDC effectuée",
    ),
    Person(
        given_name="Jean-paul",
        family_name="D'HEROUVILLE",
        birthdate="2007-03-01",
        gender="male",
        birthplace="29232",
        en_regle="Pas en règle",
        complement="",
    ),
    Person(
        given_name="Xan",
        family_name="ETCHEBEHERE",
        birthdate="2009-02-11",
        gender="male",
        birthplace="64102",
        en_regle="Indéterminé",
    ),
    Person(
        given_name="Aissata",
        family_name="OUEDRAOGO-BLIN",
        birthdate="2008-01-30",
        gender="female",
        birthplace=None,
        birthcountry="99331",
        en_regle="Non concerné",
        complement="Née à l'étranger",
    ),
)
