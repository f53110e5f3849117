"""Tests that each section (§) or decision (such as D5) cited anywhere exists in the cited page, and that links open."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.repo.tracked_files import DOCUMENTATION, ROOT, tracked

OUTSIDE = re.compile(r"(?:RFC \d+|AMQP 0-9-1) §\d[\d.]*(?:(?:, | and | to )§\d[\d.]*)*")
"""Pattern of citations of public standards, which cannot be checked here."""
PAGE = re.compile(r"(?:docs/)?reference/(?:upstreams/)?[\w-]+\.md")
DECISION = re.compile(r"\badr/(\d{4})")
ANY_PAGE = re.compile(r"\bdocs/[\w/-]+\.md")
LINK = re.compile(r"\]\((?P<target>[^()\s]+)\)")
CITED = re.compile(
    rf"(?P<page>{PAGE.pattern})|{LINK.pattern}|(?P<sections>§\d+(?:\.\d+)*(?:(?:-|, | to | and )§?\d+(?:\.\d+)*)*)"
)
NUMBER = re.compile(r"\d+(?:\.\d+)*")
HEADING = re.compile(r"^#+ (\d+(?:\.\d+)*)\.? ", re.MULTILINE)
MARK = r"\b[DVCSB]\d{1,2}\b"
CODE = re.compile(r"`[^`]*`")
MARKED = re.compile(r"^\| ([DVCSB]\d{1,2}) \|", re.MULTILINE)
CONTRACT = "docs/reference/contract.md"
PAGES = DOCUMENTATION
SOURCES = tracked("*.py", "*.yaml", "*.yml", "*.toml", "*.sh", "*.cfg", "*.ini", "Makefile")


@cache
def headings(page: Path) -> frozenset[str]:
    return frozenset(HEADING.findall(page.read_text(encoding="utf-8")))


@cache
def texts(path: Path) -> tuple[str, ...]:
    """Splits a file into separate texts, such as the docstrings of a module. Each citation is resolved within its own
    text."""
    whole = path.read_text(encoding="utf-8")
    match path.suffix:
        case ".md":
            return (whole,)
        case ".py":
            return tuple(_prose(whole))
        case _:
            return tuple(re.split(r"\n(?=\S)", whole))


def _prose(source: str) -> Iterator[str]:
    comments: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        match token.type:
            case tokenize.COMMENT:
                comments.append(token.string.removeprefix("#"))
            case tokenize.NL | tokenize.INDENT | tokenize.DEDENT:
                continue
            case _:
                if comments:
                    yield "".join(comments)
                comments = []
                if token.type == tokenize.STRING:
                    yield token.string


def lost(text: str, holder: Path) -> Iterator[str]:
    """Yields each section number that a text cites although the cited page has no such section."""
    text = OUTSIDE.sub("", " ".join(text.split()))
    named = {holder} if holder.suffix == ".md" else set()
    last, end = None, 0
    for found in CITED.finditer(text):
        if found["sections"] is None:
            last, end = _page(found["page"] or found["target"], holder), found.end()
            named |= {last} if last else set()
        else:
            pages = {last} if last and text[end : found.start()] == " " else named
            known = {number for page in pages for number in headings(page)}
            yield from (number for number in NUMBER.findall(found["sections"]) if number not in known)


def _page(name: str, holder: Path) -> Path | None:
    """Returns the file of a cited page, or None if there is none. The cited path may begin at the repository's top, at
    `docs/`, or in the folder of the citing file."""
    path = name.partition("#")[0]
    candidates = (ROOT / path, ROOT / "docs" / path, holder.parent / path)
    return next((each.resolve() for each in candidates if each.is_file() and each.suffix == ".md"), None)


def cited() -> Iterator[tuple[Path, str]]:
    return ((path, text) for path in [*PAGES, *SOURCES] if path != Path(__file__) for text in texts(path))


def test_each_section_that_is_cited_exists() -> None:
    citing = [(path, text) for path, text in cited() if "§" in text]
    broken = {(str(path.relative_to(ROOT)), number) for path, text in citing for number in lost(text, path)}
    assert broken == set()
    assert len(citing) > 150


def test_each_page_of_the_reference_that_is_cited_exists() -> None:
    named = {(path, name) for path, text in cited() for name in PAGE.findall(text)}
    assert {(path.name, name) for path, name in named if _page(name, path) is None} == set()
    assert len(named) > 80


def test_each_page_and_decision_that_is_named_exists() -> None:
    decisions = {path.name[:4] for path in (ROOT / "docs" / "adr").iterdir()}
    named = [(path, text) for path, text in cited() if path.name != "CHANGELOG.md"]
    unknown = {(path.name, each) for path, text in named for each in DECISION.findall(text) if each not in decisions}
    missing = {
        (path.name, each) for path, text in named for each in ANY_PAGE.findall(text) if not (ROOT / each).is_file()
    }
    assert (unknown, missing) == (set(), set())


def test_each_mark_stands_beside_the_page_that_explains_it() -> None:
    known = set(MARKED.findall((ROOT / CONTRACT).read_text(encoding="utf-8")))
    prose = [(path, CODE.sub("", text)) for path, text in cited() if path.suffix == ".py"]
    marked = [(path, text) for path, text in prose if re.search(rf"\((?:{MARK}(?:, )?)+\)|contract\.md, {MARK}", text)]
    assert {str(path) for path, text in marked if "contract.md, " not in text} == set()
    assert {mark for _, text in marked for mark in re.findall(MARK, text)} <= known
    assert len(marked) > 20


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (f"({CONTRACT} §3.2)", []),
        (f"({CONTRACT} §3.2 to §3.9)", ["3.9"]),
        (f"({CONTRACT} §2.1, docs/reference/upstreams/hub.md §9)", ["9"]),
        (f"{CONTRACT}: its order (§2.7), its paths (§1.9)", ["1.9"]),
        ("a bare one (§1.2)", ["1.2"]),
        ("RFC 9112 §3.2, AMQP 0-9-1 §2.3.5 and §4.2.6", []),
    ],
)
def test_a_section_that_does_not_exist_is_found(text: str, missing: list[str]) -> None:
    assert list(lost(text, ROOT / "any.py")) == missing


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for found in LINK.finditer(re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)):
            if not re.match(r"[a-z]+:", found["target"]):
                yield page, found["target"]


def anchors(page: Path) -> set[str]:
    """Returns the anchors (`#…`) that GitHub gives to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_each_relative_link_of_a_page_opens() -> None:
    broken = set()
    for page, target in links():
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.add(f"{page.relative_to(ROOT)}: {target}")
    assert broken == set()
    assert len(list(links())) > 60
