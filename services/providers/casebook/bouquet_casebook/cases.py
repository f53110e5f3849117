"""Case files: one folder for each operation, one file for each case, read again when a folder or the date changes.

YAML reads `NO` as false, `010` as 8 and `12:30:45` as 45045. A value that is not read as it is written is an error of
its file, reported with its line.

A file may contain dates relative to today: `{annee}`, `{annee-3}`, `{mois}`, and `{rentree}`, the year in which the
current school year began.
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
"""Name of the file that answers the questions for which its folder has no other case."""

STATUSES = range(200, 600)
READ = ("params", "status", "payload")
"""Keys of a case file that are read; all others are comments."""
PADDED = re.compile(r"(mois|jour)\w*")
"""Names of parameters that may be written with a leading zero, as in the State's files: `moisDateDeNaissance: 07`."""
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
"""Numbers of YAML 1.2. Some are texts in YAML 1.1, so that readers would differ: `08` is a text or the number 8."""
MERGE = "tag:yaml.org,2002:merge"
"""Tag of the key `<<`, which includes another mapping."""
FROM_TODAY = re.compile(r"\{(annee|mois|rentree)([+-]\d+)?\}")
"""Dates relative to today."""

State: TypeAlias = tuple[date, tuple[tuple[str, int, int], ...]]
"""State of a folder when it was read: the date, then name, modification time and size of each file."""


class CaseError(Exception):
    """Error for an invalid case file. Its text is written for the file's author."""


class Case(Struct, frozen=True):
    """A case: the parameters of a question, and the answer to it."""

    name: str
    """Name of the file."""
    params: Mapping[str, Any]
    status: int
    """HTTP status of the answer."""
    payload: Raw
    """JSON body of the answer."""


class Folder(Struct, frozen=True):
    """The cases of one operation, and the files that cannot be read."""

    cases: tuple[Case, ...]
    errors: tuple[tuple[str, str], ...]
    """Pairs of an unreadable file's name and its fault."""

    def find(self, signature: Signature) -> Case | None:
        """Returns the case whose parameters have this signature, or `None`."""
        return next((case for case in self.cases if signature_of_case(case.params) == signature), None)

    @property
    def default(self) -> Case | None:
        """The case that answers where no other does, from the file `404.yaml`."""
        return next((case for case in self.cases if case.name == DEFAULT), None)


class Casebook:
    """All case files below a root folder. A new or changed file counts from the next question on."""

    def __init__(self, root: Path, today: Callable[[], date] = paris_today) -> None:
        self.root = root
        self._today = today
        self._known: dict[str, tuple[State, Folder]] = {}

    def folder(self, operation_id: str) -> Folder:
        """Returns the cases of an operation, and logs a warning for each file that newly cannot be read."""
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
        """Reads every folder, so that unreadable files are logged at once."""
        for path in sorted(self.root.iterdir()):
            if path.is_dir():
                self.folder(path.name)


def read_folder(path: Path, today: date) -> Folder:
    """Returns the cases of a folder; empty where there is no such folder."""
    cases, errors = [], []
    for file in _files(path):
        try:
            cases.append(read_case(file, today))
        except CaseError as error:
            errors.append((file.name, str(error)))
    return Folder(tuple(cases), tuple(errors))


def read_case(file: Path, today: date) -> Case:
    """Returns the case of a file. Raises `CaseError` for a file that cannot be read as one."""
    try:
        content, misread = _loaded(_dated(file.read_text(encoding="utf-8"), today))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: a date of month 13, no UTF-8
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
    """Returns the text with its relative dates replaced."""
    now = {"annee": today.year, "mois": today.month, "rentree": today.year - (today.month < 9)}
    return FROM_TODAY.sub(lambda found: str(now[found[1]] + int(found[2] or 0)), text)


def _loaded(text: str) -> tuple[Any, list[str]]:
    """Returns the content of a YAML text, and the errors of values that are not read as they are written."""
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
    """Returns the value of a scalar, `None` for one that has none, such as a date of month 13."""
    with suppress(ValueError, yaml.constructor.ConstructorError):
        return loader.construct_object(scalar)
    return None


def _scalars(name: str, node: yaml.Node) -> Iterator[tuple[str, yaml.ScalarNode]]:
    """Yields each scalar of a node, keys included, with the nearest key above it."""
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
    """Returns the top mapping and the mappings among its values."""
    return [root, *(value for _, value in root.value if isinstance(value, yaml.MappingNode))]


def _repeated(node: yaml.MappingNode) -> Iterator[yaml.Node]:
    """Yields keys that occur before in the same mapping."""
    # YAML would silently keep the last of them.
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
    """Returns the error of a value that is not read as it is written."""
    # It names the key, not the value: files that are checked may hold data of real people.
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
    """Returns name, modification time and size of each case file of a folder."""
    # The size counts too: a file may change twice within one tick of the clock.
    files = []
    for file in _files(path):
        with suppress(FileNotFoundError):  # an editor's temporary file, already removed
            seen = file.stat()
            files.append((file.name, seen.st_mtime_ns, seen.st_size))
    return tuple(files)
