"""Case files, from which the sandbox answers: one folder for each operation, one file for each case. They are read
again when a file or the date changes.

YAML reads `NO` as false, `010` as 8 and `12:30:45` as 45045. A file with such a value is refused: the error names the
line, and asks the author to quote the value.

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
"""Name of the case file that answers every question that no other case of its folder answers."""

STATUSES = range(200, 600)
READ = ("params", "status", "payload")
"""Keys of a case file that the sandbox reads. It ignores all others, which serve as comments."""
PADDED = re.compile(r"(mois|jour)\w*")
"""Names of parameters that may be written with a leading zero, as in the State's files: `moisDateDeNaissance: 07`."""
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
"""Pattern of a number of YAML 1.2. Some are texts in YAML 1.1, such as `08`: without quotes, one person would read a
text there and another the number 8, so the file is refused."""
MERGE = "tag:yaml.org,2002:merge"
"""YAML's tag of the key `<<`, which includes another mapping."""
FROM_TODAY = re.compile(r"\{(annee|mois|rentree)([+-]\d+)?\}")
"""Pattern of the placeholders for dates relative to today: `{annee-3}` is the year three years ago."""

State: TypeAlias = tuple[date, tuple[tuple[str, int, int], ...]]
"""State of a folder when it was read: the date, then name, modification time and size of each file."""


class CaseError(Exception):
    """Error for an invalid case file. Its text tells the file's author what is wrong."""


class Case(Struct, frozen=True):
    """The content of a case file: the parameters of a question, and the sandbox's answer to it."""

    name: str
    """Name of the file."""
    params: Mapping[str, Any]
    status: int
    """HTTP status of the answer."""
    payload: Raw
    """JSON body of the answer."""


class Folder(Struct, frozen=True):
    """The cases in an operation's folder, and the errors of the files there that cannot be read."""

    cases: tuple[Case, ...]
    errors: tuple[tuple[str, str], ...]
    """Name of each unreadable file, with what is wrong in it."""

    def find(self, signature: Signature) -> Case | None:
        """Returns the case whose parameters have this signature (their form for comparison,
        `bouquet_casebook.matching`), or `None`."""
        return next((case for case in self.cases if signature_of_case(case.params) == signature), None)

    @property
    def default(self) -> Case | None:
        """The case of the file `404.yaml`, which answers where no other case does; `None` without that file."""
        return next((case for case in self.cases if case.name == DEFAULT), None)


class Casebook:
    """The case files below a root folder, kept in memory. A new or changed file counts from the next question on."""

    def __init__(self, root: Path, today: Callable[[], date] = paris_today) -> None:
        self.root = root
        self._today = today
        self._known: dict[str, tuple[State, Folder]] = {}

    def folder(self, operation_id: str) -> Folder:
        """Returns the cases in an operation's folder, from memory while its files and the date stay the same. Otherwise
        it reads the folder, and logs a warning for each file that cannot be read."""
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
        """Reads every folder, so that unreadable files are logged when the sandbox starts, not at the first
        question."""
        for path in sorted(self.root.iterdir()):
            if path.is_dir():
                self.folder(path.name)


def read_folder(path: Path, today: date) -> Folder:
    """Returns the cases and the unreadable files of a folder, with dates relative to `today`; none of either where the
    folder does not exist."""
    cases, errors = [], []
    for file in _files(path):
        try:
            cases.append(read_case(file, today))
        except CaseError as error:
            errors.append((file.name, str(error)))
    return Folder(tuple(cases), tuple(errors))


def read_case(file: Path, today: date) -> Case:
    """Returns the case of a file, with dates relative to `today`. Raises `CaseError` for a file that cannot be read as
    a case."""
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
    """Returns a file's text with its placeholders, such as `{annee-3}`, replaced by the numbers that they stand for
    today."""
    now = {"annee": today.year, "mois": today.month, "rentree": today.year - (today.month < 9)}
    return FROM_TODAY.sub(lambda found: str(now[found[1]] + int(found[2] or 0)), text)


def _loaded(text: str) -> tuple[Any, list[str]]:
    """Returns the content of a YAML text, and its errors: values that YAML reads as something else than is written
    (`010` as 8), and keys that are given twice. With errors, the content is `None`."""
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
    """Returns the value that YAML reads in a scalar, `None` where it can read none, such as in a date of month 13."""
    with suppress(ValueError, yaml.constructor.ConstructorError):
        return loader.construct_object(scalar)
    return None


def _scalars(name: str, node: yaml.Node) -> Iterator[tuple[str, yaml.ScalarNode]]:
    """Yields each scalar of a node, after the name of the key that it belongs to. Keys are scalars too."""
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
    """Yields each key that a mapping already has further up."""
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
    """Returns the error text for a value that YAML reads as something else than is written, such as `010` as 8."""
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
