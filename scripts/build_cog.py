"""Writes the list of communes that the package bouquet-cog contains. The package's DATA.md says where the sources are.

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
RELEASE_YEARS = {"1.1.1": 2021, "2.3.1": 2022, "3.1.1": 2023, "4.1.0": 2024, "5.3.0": 2025, "6.0.0": 2026}
"""Year that each release of the source, the npm package `@etalab/decoupage-administratif`, describes. A release lists
the communes of 1 January of its year."""

BEGINNING, OPEN_END = "1943-01-01", "9999-12-31"
ARRONDISSEMENTS_SINCE = {
    **dict.fromkeys((f"132{number:02}" for number in range(1, 17)), "1946-10-18"),
    "69388": "1959-02-19",
    "69389": "1964-08-12",
}
"""First day of each arrondissement that was created after 1 January 1943, where the list of communes begins. Keys are
the arrondissements' codes."""
MAYOTTE = "976"
MAYOTTE_BEFORE = "985"
MAYOTTE_SINCE = "2011-03-31"
"""First day on which the codes of Mayotte's communes begin with 976 instead of 985."""
OVERSEAS_COLLECTIVITY = re.compile(r"97[578]|98")
Row: TypeAlias = dict[str, Any]


class CommuneRecord(NamedTuple):
    """Row of the list of communes: the name, code and département that a commune had from the day `first` to the day
    `last`."""

    departement: str
    name: str
    code: str
    first: str
    last: str


COMMUNES_UNTIL_2007 = (
    CommuneRecord("971", "saint barthelemy", "97123", BEGINNING, "2007-07-14"),
    CommuneRecord("971", "saint martin", "97127", BEGINNING, "2007-07-14"),
)
"""Records of two islands as communes of Guadeloupe, until they became separate collectivities in 2007."""
# The npm package from which all other records come lacks the two islands.


def main(folders: list[str]) -> None:
    releases = {read(folder, "package.json")["version"]: folder for folder in folders}
    history = read(releases[HISTORY], "data/historique-communes.json")
    yearly_releases = [(year, read(releases[version], "data/communes.json")) for version, year in RELEASE_YEARS.items()]
    records = with_yearly_releases(yearly_releases, before_2019(history)) + arrondissements(yearly_releases[-1][1])
    records = merged(with_known_dates(records))
    TARGET.write_bytes(gzip.compress(text(records).encode(), mtime=0))
    print(f"{len(records)} rows, {TARGET.stat().st_size} bytes")


def read(folder: str, name: str) -> Any:
    return json.loads(Path(folder, name).read_text(encoding="utf-8"))


def before_2019(history: list[Row]) -> list[CommuneRecord]:
    """Returns records of the communes in `history`, a list of all communes from 1943 to 2019. A commune that was in
    several départements has a record for each. For example, a commune of Corsica has a record for 20 and another for
    2A."""
    by_id = {row["id"]: row for row in history}
    return [
        CommuneRecord(
            departement,
            normalised(row["nom"]),
            row["code"],
            row.get("dateDebut", BEGINNING),
            day_before(row["dateFin"]) if "dateFin" in row else OPEN_END,
        )
        for row in history
        if row["type"] == "COM"
        for departement in set(departements(row, by_id))
    ]


def departements(row: Row, by_id: dict[str, Row]) -> Iterator[str]:
    """Yields the numbers of the départements to which a commune and its successors have belonged, such as 20, then 2A
    in Corsica. `by_id` holds all rows of the history."""
    while row["type"] == "COM":
        yield departement_of(row["code"])
        if "successeur" not in row:
            return
        row = by_id[row["successeur"]]


def departement_of(code: str) -> str:
    return code[: 3 if code.startswith("97") else 2]


def with_yearly_releases(
    yearly_releases: list[tuple[int, list[Row]]], records: list[CommuneRecord]
) -> list[CommuneRecord]:
    """Returns `records`, updated with the changes in `yearly_releases` (pairs of a year and the release's rows). If a
    release lacks or renames a commune, the commune's record ends. Each new commune or name begins a record. Changes are
    dated 1 January of the release's year."""
    ended = [record for record in records if record.last != OPEN_END]
    current = {record.code: record for record in records if record.last == OPEN_END}
    for year, communes in yearly_releases:
        day = f"{year}-01-01"
        names = {row["code"]: normalised(row["nom"]) for row in communes if is_commune(row)}
        kept = {code: record for code, record in current.items() if names.get(code) == record.name}
        ended += [record._replace(last=day_before(day)) for code, record in current.items() if code not in kept]
        current = {
            code: CommuneRecord(departement_of(code), name, code, day, OPEN_END) for code, name in names.items()
        } | kept
    return ended + list(current.values())


def is_commune(row: Row) -> bool:
    """Returns whether a row describes a commune that exists today. Communes of the overseas collectivities, such as
    Polynesia, do not count."""
    return row["type"] == "commune-actuelle" and not OVERSEAS_COLLECTIVITY.match(row["code"])


def arrondissements(communes: list[Row]) -> list[CommuneRecord]:
    """Returns records of the arrondissements (districts) of Paris, Lyon and Marseille. All records begin on 1 January
    1943, the first day that the list covers."""
    # `with_known_dates` then replaces the dates of those created later.
    return [
        CommuneRecord(departement_of(row["code"]), normalised(row["nom"]), row["code"], BEGINNING, OPEN_END)
        for row in communes
        if row["type"] == "arrondissement-municipal"
    ]


def with_known_dates(records: Iterable[CommuneRecord]) -> list[CommuneRecord]:
    """Returns the records, completed with facts that the source files lack: first days of arrondissements (districts of
    cities), former codes in Mayotte, and two communes that existed until 2007."""
    since_their_day = [
        record._replace(first=max(record.first, ARRONDISSEMENTS_SINCE.get(record.code, BEGINNING)))
        for record in records
    ]
    return [*COMMUNES_UNTIL_2007, *(era for record in since_their_day for era in split_mayotte(record))]


def split_mayotte(record: CommuneRecord) -> Iterator[CommuneRecord]:
    """Yields the record of a commune of Mayotte, split at `MAYOTTE_SINCE`, the day on which its code changed. Yields
    any other record unchanged."""
    if record.departement != MAYOTTE:
        yield record
        return
    if record.first < MAYOTTE_SINCE:
        before = MAYOTTE_BEFORE + record.code.removeprefix(MAYOTTE)
        yield record._replace(code=before, last=min(record.last, day_before(MAYOTTE_SINCE)))
    if record.last >= MAYOTTE_SINCE:
        yield record._replace(first=max(record.first, MAYOTTE_SINCE))


def merged(records: Iterable[CommuneRecord]) -> list[CommuneRecord]:
    """Returns the records, sorted by département, name, code and first day. Merges two records with the same
    département, name and code if one begins on the day after the other ends."""
    together: list[CommuneRecord] = []
    for record in sorted(records):
        before = together[-1] if together else record
        if before[:3] == record[:3] and before.last == day_before(record.first):
            together[-1] = before._replace(last=record.last)
        else:
            together.append(record)
    return together


def day_before(day: str) -> str:
    return str(date.fromisoformat(day) - timedelta(days=1))


def text(records: list[CommuneRecord]) -> str:
    """Returns the text of the file that lists the communes. Each département has a section: a line with its number,
    then one line per record with tabs between name, code, first day and last day. `records` must be sorted by
    département."""
    sections = groupby(records, key=lambda record: record.departement)
    return "\n\n".join("\n".join([number, *("\t".join(record[1:]) for record in rows)]) for number, rows in sections)


if __name__ == "__main__":
    main(sys.argv[1:])
