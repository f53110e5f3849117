"""Case files on disk: one folder an operation, one file a case, read again when a folder or the day changes.

YAML reads `NO` as false, `010` as eight and `12:30:45` as 45045: a scalar that is not read as it is written is an error
of its file, told with its line.

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
READ = ("params", "status", "payload")
"""What a case is made of; the other keys of a file are for its readers."""
PADDED = re.compile(r"(mois|jour)\w*")
"""Parameters that are numbers whatever their zeros: the State's own files write `moisDateDeNaissance: 07`."""
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
"""What YAML 1.2 takes for one, where 1.1 has but a part of them: `08` is a text for one reader, eight for another."""
MERGE = "tag:yaml.org,2002:merge"
"""Of the key `<<`, which stands for those of another mapping."""
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
        """The case of these parameters."""
        return next((case for case in self.cases if signature_of_case(case.params) == signature), None)

    @property
    def default(self) -> Case | None:
        return next((case for case in self.cases if case.name == DEFAULT), None)


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

    def read_all(self) -> None:
        for path in sorted(self.root.iterdir()):
            if path.is_dir():
                self.folder(path.name)


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
        content, misread = _loaded(_dated(file.read_text(encoding="utf-8"), today))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: a month 13, bytes
        raise CaseError(f"is not readable YAML ({type(error).__name__})") from None
    if misread:
        raise CaseError("; ".join(misread))
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


def _loaded(text: str) -> tuple[Any, list[str]]:
    """The content, and the scalars that are not read as they are written, in words."""
    loader = yaml.CSafeLoader(text)
    try:
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            return (None if root is None else loader.construct_document(root)), []
        plain = [
            (name, scalar, _value(loader, scalar))
            for key, value in root.value
            if key.value in READ
            for name, scalar in (*_scalars(key.value, key), *_scalars(key.value, value))
            if not scalar.style
        ]
        misread = [_misread(name, scalar) for name, scalar, value in plain if not _is_as_written(name, scalar, value)]
        misread += [_twice(key) for node in _mappings(root) for key in _repeated(node)]
        return (None if misread else loader.construct_document(root)), misread
    finally:
        loader.dispose()


def _value(loader: yaml.CSafeLoader, scalar: yaml.ScalarNode) -> Any:
    """`None` too for what is no value at all: a month 13."""
    with suppress(ValueError, yaml.constructor.ConstructorError):
        return loader.construct_object(scalar)
    return None


def _scalars(name: str, node: yaml.Node) -> Iterator[tuple[str, yaml.ScalarNode]]:
    """Keys too, each with the nearest key above it."""
    match node:
        case yaml.ScalarNode():
            yield name, node
        case yaml.SequenceNode():
            for item in node.value:
                yield from _scalars(name, item)
        case yaml.MappingNode():
            for key, value in node.value:
                own = key.value if isinstance(key, yaml.ScalarNode) else name
                if key.tag != MERGE:
                    yield from _scalars(own, key)
                yield from _scalars(own, value)


def _mappings(root: yaml.MappingNode) -> list[yaml.MappingNode]:
    """The whole, and the mappings that are its members."""
    return [root, *(value for _, value in root.value if isinstance(value, yaml.MappingNode))]


def _repeated(node: yaml.MappingNode) -> Iterator[yaml.Node]:
    """Keys that are there before: YAML would take the last, and leave the others out in silence."""
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                yield key
            seen.add(key.value)


def _twice(key: yaml.Node) -> str:
    return f"line {key.start_mark.line + 1}: `{key.value}` is given twice"


def _is_as_written(name: str, scalar: yaml.ScalarNode, value: Any) -> bool:
    text = scalar.value
    match value:
        case str():
            return not NUMBER.fullmatch(text)
        case bool():
            return False
        case int():
            return str(value) == text or bool(PADDED.fullmatch(name) and text.isdecimal() and int(text) == value)
        case _:
            return False


def _misread(name: str, scalar: yaml.ScalarNode) -> str:
    """By its key, and not by its value: somebody may check files that hold more than invented people."""
    line = scalar.start_mark.line + 1
    return f"line {line}: YAML does not read the value of `{name}` as it is written: quote it"


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
