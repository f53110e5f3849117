"""The generated table of unit costs in docs/capacity.md, between two comments."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from bench.capacity.figure import Figure

BEGIN = "<!-- Written by `make bench-capacity`; do not edit. -->"
END = "<!-- End of what `make bench-capacity` writes. -->"


def table(figures: Iterable[Figure], day: date) -> str:
    rows = [f"Measured on {day:%-d %b %Y}.", "", "| of | what | cost |", "|---|---|---:|"]
    former = ""
    for figure in figures:
        part = figure.part if figure.part != former else ""
        rows.append(f"| {part} | {figure.of} | {f'{rounded(figure.value)} {figure.unit}'.strip()} |")
        former = figure.part
    return "\n".join(rows)


def rounded(value: float) -> str:
    short = float(f"{value:.3g}")
    return f"{short:,.0f}" if short >= 100 else f"{short:g}"


def with_table(page: str, rows: str) -> str:
    """Returns the page with `rows` as its table. Raises `ValueError` if the page lacks the comments around the
    table."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks one of {BEGIN} and {END}")
    return f"{head}{begin}\n\n{rows}\n\n{end}{tail}"
