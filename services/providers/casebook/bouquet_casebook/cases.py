"""Case files on disk: one folder an operation, one file a case, read again when a folder or the day changes.

A file may say dates from today's: `{annee}`, `{annee-3}`, `{mois}`, and `{rentree}`, the year in which the current
school year began.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import yaml
from msgspec import Raw, Struct

from bouquet_casebook.matching import Signature, signature_of_case
from bouquet_worker.worker import paris_today

log = logging.getLogger(__name__)

SUFFIXES = (".yaml", ".yml")
DEFAULT = "404.yaml"
"""Answers what no case of its folder does."""

STATUSES = range(200, 600)
FROM_TODAY = re.compile(r"\{(annee|mois|rentree)([+-]\d+)?\}")

State: TypeAlias = tuple[date, tuple[tuple[str, int, int], ...]]


class CaseError(Exception):
    """What is wrong with a file, in words for its author."""


class Case(Struct, frozen=True):
    name: str
    params: Mapping[str, Any]
    status: int
    payload: Raw


class Folder(Struct, frozen=True):
    """The readable cases of one operation, and what is wrong with the other files."""

    cases: tuple[Case, ...]
    errors: tuple[tuple[str, str], ...]

    def find(self, signature: Signature) -> Case | None:
        """The case of these parameters, else the folder's default."""
        exact = (case for case in self.cases if signature_of_case(case.params) == signature)
        return next(exact, None) or next((case for case in self.cases if case.name == DEFAULT), None)


class Casebook:
    """A directory of folders. A file dropped in is a case at the next question."""

    def __init__(self, root: Path, today: Callable[[], date] = paris_today) -> None:
        self.root = root
        self._today = today
        self._known: dict[str, tuple[State, Folder]] = {}

    def folder(self, operation_id: str) -> Folder:
        path, today = self.root / operation_id, self._today()
        state = (today, _files_of(path))
        known = self._known.get(operation_id)
        if known is None or known[0] != state:
            known = (state, read_folder(path, today))
            self._known[operation_id] = known
            for name, error in known[1].errors:
                log.warning("case unreadable", extra={"operation": operation_id, "file": name, "error": error})
        return known[1]


def read_folder(path: Path, today: date) -> Folder:
    cases, errors = [], []
    for file in _files(path):
        try:
            cases.append(read_case(file, today))
        except CaseError as error:
            errors.append((file.name, str(error)))
    return Folder(tuple(cases), tuple(errors))


def read_case(file: Path, today: date) -> Case:
    """Raises `CaseError`."""
    try:
        content = yaml.safe_load(_dated(file.read_text(encoding="utf-8"), today))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: a month 13, bytes
        raise CaseError(f"is not readable YAML ({type(error).__name__})") from None
    match content:
        case {"params": dict() as params, "status": int() as status, "payload": str() as payload} if status in STATUSES:
            return Case(file.name, params, status, _json(payload))
        case dict():
            raise CaseError("needs `params` (a mapping), `status` (an HTTP status) and `payload` (JSON text)")
        case _:
            raise CaseError("is not a mapping")


def _dated(text: str, today: date) -> str:
    now = {"annee": today.year, "mois": today.month, "rentree": today.year - (today.month < 9)}
    return FROM_TODAY.sub(lambda found: str(now[found[1]] + int(found[2] or 0)), text)


def _json(text: str) -> Raw:
    try:
        return Raw(msgspec.json.encode(msgspec.json.decode(text)))
    except msgspec.DecodeError:
        raise CaseError("`payload` is not JSON") from None


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)


def _files_of(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Sizes too: a file being written may be read twice within one tick of the clock."""
    files = []
    for file in _files(path):
        with suppress(FileNotFoundError):  # an editor's, already gone
            seen = file.stat()
            files.append((file.name, seen.st_mtime_ns, seen.st_size))
    return tuple(files)
