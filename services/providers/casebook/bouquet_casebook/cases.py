"""Case files on disk: one folder an operation, one file a case, read again when a folder changes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import yaml
from msgspec import Raw, Struct

from bouquet_casebook.matching import Signature, signature_of_case

log = logging.getLogger(__name__)

SUFFIXES = (".yaml", ".yml")
DEFAULT = "404.yaml"
"""Answers what no case of its folder does."""

State: TypeAlias = tuple[tuple[str, int], ...]


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

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[str, tuple[State, Folder]] = {}

    def folder(self, operation_id: str) -> Folder:
        path = self.root / operation_id
        state = _state(path)
        known = self._known.get(operation_id)
        if known is None or known[0] != state:
            known = (state, read_folder(path))
            self._known[operation_id] = known
            for name, error in known[1].errors:
                log.warning("case unreadable", extra={"operation": operation_id, "file": name, "error": error})
        return known[1]


def read_folder(path: Path) -> Folder:
    cases, errors = [], []
    for file in _files(path):
        try:
            cases.append(read_case(file))
        except CaseError as error:
            errors.append((file.name, str(error)))
    return Folder(tuple(cases), tuple(errors))


def read_case(file: Path) -> Case:
    """Raises `CaseError`."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CaseError(f"is not readable YAML ({type(error).__name__})") from None
    match content:
        case {"params": dict() as params, "status": int() as status, "payload": str() as payload}:
            return Case(file.name, params, status, _json(payload))
        case dict():
            raise CaseError("needs `params` (a mapping), `status` (a number) and `payload` (JSON text)")
        case _:
            raise CaseError("is not a mapping")


def _json(text: str) -> Raw:
    try:
        return Raw(msgspec.json.encode(msgspec.json.decode(text)))
    except msgspec.DecodeError:
        raise CaseError("`payload` is not JSON") from None


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)


def _state(path: Path) -> State:
    return tuple((file.name, file.stat().st_mtime_ns) for file in _files(path))
