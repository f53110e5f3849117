"""Tests that `docs/logs.md` lists every log event of the code, and that pages for operators quote only events in this
list."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest

from bouquet_mesh.observe import logs
from tests.repo.log_events import ROOT, Event, logged_events

PAGE = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
UNTOLD = "…"
FOR_OPERATORS = [path for folder in ("runbooks", "operations") for path in sorted((ROOT / "docs" / folder).iterdir())]
EVENT = r"`([a-z]+ [a-z, ]+)`"
QUOTED = re.compile(rf"{EVENT} in (?:the|its)(?: [\w']+)? logs?\b|\blogs?(?: says)? {EVENT}")
"""Pattern of the phrases in which pages for operators quote a log event, such as "`…` in the log"."""


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def names(cell: str) -> frozenset[str]:
    return frozenset(re.findall(r"`([^`]+)`", cell))


def fields_of(title: str) -> set[str]:
    return set(re.findall(r"^\| `(\w+)` \|", section(title), re.MULTILINE))


def test_the_logs_page_lists_every_event_with_level_and_fields() -> None:
    rows = [row.strip("|").split("|") for row in section("Events").splitlines() if row.startswith("| `")]
    told = [(event.strip().strip("`"), level.strip(), names(fields)) for event, level, fields, _ in rows]
    logged = {(event.message, event.level or UNTOLD, event.fields) for event in merged()}
    assert set(told) == logged
    assert len(told) == len(logged)


def merged() -> set[Event]:
    """Returns the log events of the code, one for each pair of message and level. Each event has the fields of all log
    calls with its message."""
    found = logged_events()
    return {
        Event(event.message, event.level, frozenset().union(*(e.fields for e in found if e.message == event.message)))
        for event in found
    }


def test_the_logs_page_lists_every_field() -> None:
    assert fields_of("Fields") == {field for event in logged_events() for field in event.fields}


@pytest.mark.usefixtures("restored")
def test_a_log_event_is_one_json_line_with_the_listed_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_logs("bouquet-tests", "INFO")
    logging.getLogger("bouquet_tests").info("an event\nof two lines")
    [line] = capsys.readouterr().out.splitlines()
    assert set(json.loads(line)) == fields_of("Every line")
    assert set(re.findall(r'"(\w+)":', PAGE.split("```")[1])) - fields_of("Fields") == fields_of("Every line")


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    silenced = {name: logging.getLogger(name).level for name in logs.SILENCED_LOGGERS}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, own in silenced.items():
        logging.getLogger(name).setLevel(own)


def test_the_operators_pages_quote_events_that_are_logged() -> None:
    logged = {event.message for event in logged_events()}
    quoted = {
        before or after
        for page in FOR_OPERATORS
        for before, after in QUOTED.findall(" ".join(page.read_text(encoding="utf-8").split()))
    }
    assert len(quoted) > 8
    assert quoted - logged == set()
