"""Writes the communes that bouquet-cog carries. Its DATA.md names what they are made of, and how to get it.

usage: build_cog.py FOLDER...        the unpacked releases, in any order
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from bouquet_cog.naming import normalised

TARGET = Path(__file__).parent.parent / "services/providers/cog/bouquet_cog/communes.txt.gz"
HISTORY = "0.8.0"
VINTAGES = {"1.1.1": 2021, "2.3.1": 2022, "3.1.1": 2023, "4.1.0": 2024, "5.3.0": 2025, "6.0.0": 2026}
"""Release → the year on whose 1 January it describes the country (the package's README). None describes 2020."""

BEGINNING, NEVER = "1943-01-01", "9999-12-31"
ARRONDISSEMENTS_SINCE = {
    **dict.fromkeys((f"132{number:02}" for number in range(1, 17)), "1946-10-18"),
    "69388": "1959-02-19",
    "69389": "1964-08-12",
}
"""The first day of those that were made since the beginning, by code: Marseille's sixteen, Lyon's eighth and ninth."""
MAYOTTE = "976"
MAYOTTE_BEFORE = "985"
MAYOTTE_SINCE = "2011-03-31"
"""Until it became a département its communes had the numbers of an overseas collectivity, in the same order."""
OVERSEAS_COLLECTIVITY = re.compile(r"97[578]|98")
Row: TypeAlias = dict[str, Any]


class Life(NamedTuple):
    """A commune under one name and one code, from its first day to its last, listed in a département."""

    departement: str
    name: str
    code: str
    first: str
    last: str


COLLECTIVITIES_SINCE_2007 = (
    Life("971", "saint barthelemy", "97123", BEGINNING, "2007-07-14"),
    Life("971", "saint martin", "97127", BEGINNING, "2007-07-14"),
)
"""Communes of Guadeloupe until then, which the source's history leaves out."""


def main(folders: list[str]) -> None:
    releases = {read(folder, "package.json")["version"]: folder for folder in folders}
    history = read(releases[HISTORY], "data/historique-communes.json")
    vintages = [(year, read(releases[version], "data/communes.json")) for version, year in VINTAGES.items()]
    lives = joined(dated(since(vintages, before_2019(history)) + arrondissements(vintages[-1][1])))
    TARGET.write_bytes(gzip.compress(text(lives).encode(), mtime=0))
    print(f"{len(lives)} rows, {TARGET.stat().st_size} bytes")


def read(folder: str, name: str) -> Any:
    return json.loads(Path(folder, name).read_text(encoding="utf-8"))


def before_2019(history: list[Row]) -> list[Life]:
    """Communes proper (`COM`): neither associated nor delegated ones, as INSEE's own answers."""
    by_id = {row["id"]: row for row in history}
    return [
        Life(
            departement,
            normalised(row["nom"]),
            row["code"],
            row.get("dateDebut", BEGINNING),
            eve(row["dateFin"]) if "dateFin" in row else NEVER,
        )
        for row in history
        if row["type"] == "COM"
        for departement in set(departements(row, by_id))
    ]


def departements(row: Row, by_id: dict[str, Row]) -> Iterator[str]:
    """Its own, and those that it, still a commune, was moved to: 75 then 92, 20 then 2A."""
    while row["type"] == "COM":
        yield departement_of(row["code"])
        if "successeur" not in row:
            return
        row = by_id[row["successeur"]]


def departement_of(code: str) -> str:
    return code[: 3 if code.startswith("97") else 2]


def since(vintages: list[tuple[int, list[Row]]], lives: list[Life]) -> list[Life]:
    """Later changes bear no date: they count from the 1 January where they are first seen, no other day is asked."""
    ended = [life for life in lives if life.last != NEVER]
    living = {life.code: life for life in lives if life.last == NEVER}
    for year, communes in vintages:
        day = f"{year}-01-01"
        names = {row["code"]: normalised(row["nom"]) for row in communes if is_commune(row)}
        kept = {code: life for code, life in living.items() if names.get(code) == life.name}
        ended += [life._replace(last=eve(day)) for code, life in living.items() if code not in kept]
        living = {code: Life(departement_of(code), name, code, day, NEVER) for code, name in names.items()} | kept
    return ended + list(living.values())


def is_commune(row: Row) -> bool:
    """As the history and INSEE's `com=false` understand it."""
    return row["type"] == "commune-actuelle" and not OVERSEAS_COLLECTIVITY.match(row["code"])


def arrondissements(communes: list[Row]) -> list[Life]:
    """Of Paris, Lyon and Marseille. The source does not date them: `dated` does."""
    return [
        Life(departement_of(row["code"]), normalised(row["nom"]), row["code"], BEGINNING, NEVER)
        for row in communes
        if row["type"] == "arrondissement-municipal"
    ]


def dated(lives: Iterable[Life]) -> list[Life]:
    """With the days that the source lacks."""
    since_their_day = [
        life._replace(first=max(life.first, ARRONDISSEMENTS_SINCE.get(life.code, BEGINNING))) for life in lives
    ]
    return [*COLLECTIVITIES_SINCE_2007, *(era for life in since_their_day for era in eras(life))]


def eras(life: Life) -> Iterator[Life]:
    """One life, or for Mayotte one under each number."""
    if life.departement != MAYOTTE:
        yield life
        return
    if life.first < MAYOTTE_SINCE:
        before = MAYOTTE_BEFORE + life.code.removeprefix(MAYOTTE)
        yield life._replace(code=before, last=min(life.last, eve(MAYOTTE_SINCE)))
    if life.last >= MAYOTTE_SINCE:
        yield life._replace(first=max(life.first, MAYOTTE_SINCE))


def joined(lives: Iterable[Life]) -> list[Life]:
    """In order, and as one where a commune lived on under the same name and code."""
    together: list[Life] = []
    for life in sorted(lives):
        before = together[-1] if together else life
        if before[:3] == life[:3] and before.last == eve(life.first):
            together[-1] = before._replace(last=life.last)
        else:
            together.append(life)
    return together


def eve(day: str) -> str:
    return str(date.fromisoformat(day) - timedelta(days=1))


def text(lives: list[Life]) -> str:
    """A section per département, with its number on the first line."""
    sections = groupby(lives, key=lambda life: life.departement)
    return "\n\n".join("\n".join([number, *("\t".join(life[1:]) for life in rows)]) for number, rows in sections)


if __name__ == "__main__":
    main(sys.argv[1:])
