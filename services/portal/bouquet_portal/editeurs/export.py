"""Export, for operators, of software editors' requests to be listed on the site: as a list, CSV or JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import TextIO

from bouquet_portal.editeurs.models import EditorRequest

COLUMNS = (
    "id",
    "created_at",
    "confirmed_at",
    "name",
    "siret",
    "solution",
    "website",
    "description",
    "deployment",
    "technologies",
    "use_cases",
    "email",
    "phone",
)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Characters that, at the beginning of a cell, make spreadsheets read its text as a formula."""


def rows(*, with_unconfirmed: bool = False) -> Iterator[dict[str, str]]:
    """Yields the requests, oldest first, each as a mapping from column names to texts. Unconfirmed requests are left
    out unless `with_unconfirmed` is true."""
    found = EditorRequest.objects.order_by("pk")
    for request in found if with_unconfirmed else found.exclude(confirmed_at=None):
        values = ((name, getattr(request, name)) for name in COLUMNS)
        yield {name: _text(value) for name, value in values}


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.isoformat(timespec="seconds") if hasattr(value, "isoformat") else str(value)


def write_csv(found: Iterator[dict[str, str]], to: TextIO) -> None:
    """Writes the requests `found` as CSV. A text that looks like a formula gets an apostrophe before it, so that
    spreadsheets show it as text."""
    writer = csv.writer(to)
    writer.writerow(COLUMNS)
    for row in found:
        writer.writerow([f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell for cell in row.values()])


def write_json(found: Iterator[dict[str, str]], to: TextIO) -> None:
    json.dump(list(found), to, ensure_ascii=False, indent=2)
    to.write("\n")


def write_list(found: Iterator[dict[str, str]], to: TextIO) -> None:
    """Writes a line for each of the requests `found`: its id, state, solution (software) and editor, separated by
    tabs."""
    for row in found:
        state = f"confirmed {row['confirmed_at'][:10]}" if row["confirmed_at"] else "unconfirmed"
        to.write(f"{row['id']}\t{state}\t{row['solution']}\t{row['name']}\n")


FORMATS = {"list": write_list, "csv": write_csv, "json": write_json}


def remove(id: int) -> bool:
    """Deletes the request with this id. Returns whether there was such a request."""
    return bool(EditorRequest.objects.filter(pk=id).delete()[0])
