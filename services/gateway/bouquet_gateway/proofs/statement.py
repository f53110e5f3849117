"""Content of a proof (a text that shows later what an answer said): some fields of the answer, with French labels. Each
operation declares its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec
from msgspec import Raw, Struct, structs

from bouquet_gateway.offers.data_paths import objects_at
from bouquet_gateway.proofs.sealing import TooLarge
from bouquet_proto.offer import Proof, ProofField, ProofSection

VALID_YEARS = 5
INITIALS = 3
"""Number of letters that a proof shows of a name declared as `initials`: of `DUPONT`, it shows `DUP•••`."""
GROUPED_FROM = 10_000
"""Smallest integer that is written with a space between each group of three digits, as in `10 000`."""
MAX_ROWS = 2000
"""Largest number of rows (label and value of a field) in a proof."""
# Making 2,000 rows blocks the process for about 10 ms.
DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
SEXES = {"F": "Féminin", "M": "Masculin"}
YEAR_UNKNOWN, MONTH_UNKNOWN = "0000", "00"

# Sealed texts keep these structs for five years: a new field goes to the end and has a default.


class Row(Struct, frozen=True, array_like=True):
    """Row of a proof (a text that shows later what an answer said): label and value of one field."""

    label: str
    value: str


class Section(Struct, frozen=True, array_like=True):
    """Section of a proof (a text that shows later what an answer said). `entries` holds the rows of each object, such
    as each child of a family."""

    title: str
    entries: tuple[tuple[Row, ...], ...]


class Statement(Struct, frozen=True, array_like=True):
    """Content of a proof (a text that shows later what an answer said): the authority that answered, the administration
    that asked, the day, and the fields to show."""

    operation: str
    title: str
    source: str
    """Label, such as `CNAF`, of the authority that has answered."""
    siret: str
    """SIRET of the administration that has received the answer."""
    issued_on: str
    """Day of the answer in Paris, `YYYY-MM-DD`."""
    valid_until: str
    """Last day on which the proof is valid, `YYYY-MM-DD`."""
    record: str
    """Id of the answer's record in the access journal; empty if the gateway has no journal."""
    sections: tuple[Section, ...]


def sections_of(proof: Proof, data: Raw) -> tuple[Section, ...]:
    """Returns the sections of a proof (a text that shows later what an answer said). `proof` declares the fields to
    show, and `data` holds their values. Raises `TooLarge` if the sections would have more than `MAX_ROWS` rows."""
    # Fields that `data` lacks, such as those outside the caller's scopes, are left out, but count as rows.
    whole = msgspec.json.decode(data)
    left, sections = MAX_ROWS, []
    for declared in proof.sections:
        objects = objects_at(whole, declared.at)
        left -= bool(objects) if declared.count else len(objects) * len(declared.fields)
        if left < 0:
            raise TooLarge
        if objects and (entries := tuple(_entries(declared, objects))):
            sections.append(Section(declared.title, entries))
    return tuple(sections)


def document_sections_of(proof: Proof, data: Raw) -> tuple[Section, ...]:
    """Returns the sections of the PDF file about an answer, which may show more fields than the proof. Raises
    `TooLarge`, as `sections_of` does."""
    parts = (structs.replace(part, fields=part.document or part.fields, count="") for part in proof.sections)
    return sections_of(structs.replace(proof, sections=tuple(parts)), data)


def _entries(section: ProofSection, objects: list[Any]) -> Iterator[tuple[Row, ...]]:
    if section.count:
        yield (Row(section.count, str(len(objects))),)
        return
    for node in objects:
        shown = ((field.label, _shown(field, node)) for field in section.fields)
        if rows := tuple(Row(label, value) for label, value in shown if value):
            yield rows


def _shown(field: ProofField, node: Any) -> str:
    """Returns the text that is shown for a field of an object. Returns "" if the object lacks the field, or if its
    value cannot be shown."""
    for step in field.at.split("."):
        node = node.get(step) if isinstance(node, dict) else None
    match field.shown:
        case "initials" if isinstance(node, str) and node:
            return f"{node[:INITIALS]}•••"
        case "month" if isinstance(node, str) and (found := DAY.fullmatch(node)):
            return _month(*found.groups())
        case "sex" if isinstance(node, str):
            return SEXES.get(node, "")
        case "whole":
            return _whole(node)
        case _:
            return ""


def _month(year: str, month: str, _: str) -> str:
    if year == YEAR_UNKNOWN:
        return ""
    return year if month == MONTH_UNKNOWN else f"{month}/{year}"


def _whole(value: Any) -> str:
    match value:
        case bool():
            return "Oui" if value else "Non"
        case int():
            return f"{value:,}".replace(",", " ") if abs(value) >= GROUPED_FROM else str(value)
        case str():
            return french_day(value) if DAY.fullmatch(value) else value
        case float():
            return str(value)
        case _:
            return ""


def french_day(iso: str) -> str:
    """Converts a day from `YYYY-MM-DD` to `DD/MM/YYYY`."""
    return "/".join(reversed(iso.split("-")))


def last_day(issued: date) -> date:
    """Returns the last day on which a proof made on the day `issued` is valid."""
    year = issued.year + VALID_YEARS
    return date(year, 2, 28) if (issued.month, issued.day) == (2, 29) else issued.replace(year=year)
