"""Tests that docstrings, HELP texts of metrics and descriptions of settings can be understood without their
surroundings."""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
METRICS = runpy.run_path(str(ROOT / "scripts" / "generate_metrics.py"))
SETTINGS = runpy.run_path(str(ROOT / "scripts" / "generate_settings.py"))
DOCUMENTED = ("mesh", "proto", "scripts", "bench", "deploy", "services", "tests")
FRAGMENT = re.compile(
    r"(About|After|As|At|Before|Behind|Beside|Between|By|For(?! each)|From|Of|On|Or|Under|With|Without|Within|"
    r"He|Her|His|It|Its|Mine|Ours?|She|Their|Theirs|Them|They|Those|These|We|"
    r"Who|Whoever|Whom|Whose|What|Whatever|When|Where|Which|How|So many|So much|So long|Nobody|Somebody|Told)\b"
)
"""Pattern of words that must not begin a text, such as prepositions and pronouns: the text would be no full
sentence."""
# A table may be described by "For each", as it is looked up by its keys.


def is_clear(text: str) -> bool:
    return bool(text.strip()) and FRAGMENT.match(text) is None


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement.lineno, text


def test_the_check_finds_texts_without_a_subject() -> None:
    texts = [
        "",
        "Of the client certificate.",
        "Its name.",
        "What it may hold.",
        "Where it listens.",
        "How many there are.",
    ]
    assert not any(map(is_clear, texts))
    assert all(map(is_clear, ["Path of the client certificate.", "Whether it is open.", "Itemised costs."]))


def test_every_help_text_of_a_metric_begins_with_its_subject() -> None:
    unclear = [
        metric.name
        for module in METRICS["MODULES"].values()
        for metric in METRICS["metrics"](module)
        if not is_clear(metric.meaning)
    ]
    assert unclear == []


def test_every_setting_has_a_meaning_that_begins_with_its_subject() -> None:
    unclear = [
        f"{group.title}.{setting.name}"
        for group in SETTINGS["groups"]().values()
        for setting in group.settings
        if not is_clear(setting.meaning)
    ]
    assert unclear == []


def test_every_row_of_the_page_of_settings_has_a_meaning_that_begins_with_its_subject() -> None:
    rows = [line for line in (ROOT / "docs" / "settings.md").read_text().splitlines() if line.startswith("| `BOUQUET_")]
    assert len(rows) > 100
    assert [row for row in rows if not is_clear(row.rsplit(" | ", 1)[-1].removesuffix(" |"))] == []


def test_every_docstring_begins_with_its_subject() -> None:
    paths = [
        path
        for folder in DOCUMENTED
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not {".venv", "node_modules"} & {*path.parts}
    ]
    assert len(paths) > 100
    unclear = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in paths
        for line, text in docstrings(path)
        if not is_clear(text)
    ]
    assert unclear == []
