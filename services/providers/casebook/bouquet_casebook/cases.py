"""Reading of case files: YAML files that each hold a recorded answer of the sandbox. Each operation has a folder of
case files."""
# A folder is read again when one of its files, or the date, has changed.
# YAML reads `NO` as false, `010` as 8 and `12:30:45` as 45045. A file with such a value is refused: the error names the
# line, and asks the author to quote the value. A file may contain dates relative to today: `{annee}`, `{annee-3}`,
# `{mois}`, and `{rentree}`, the year in which the current school year began.

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
from bouquet_worker import paris_today

log = logging.getLogger(__name__)

SUFFIXES = (".yaml", ".yml")
DEFAULT_FILE = "404.yaml"
"""Name, in each operation's folder, of the case file that answers the lookups that fit no other case file."""

STATUSES = range(200, 600)
MAX_DEPTH = 50
"""Largest depth of nested mappings and lists in a case file. Thousands of levels would crash the YAML library."""
MAX_VALUES = 20_000
"""Largest number of values in a case file, with YAML aliases written out."""
# A few lines with nested aliases can stand for billions of values.
REQUIRED_KEYS = ("params", "status", "payload")
"""Keys that every case file must have."""
# A value under one of the keys is refused if YAML changes it, as it reads `010` as 8.
MONTH_OR_DAY = re.compile(r"(mois|jour)\w*")
"""Pattern of the names of parameters for months and days. In case files, values from `01` to `07` need no quotes."""
# YAML reads `01` to `07` as 1 to 7, but `08` and `09` as text.
# The State's own case files contain such numbers.
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
"""Pattern of texts that look like numbers. A case file must quote a text such as `08`."""
# The pattern follows YAML 1.2, the library YAML 1.1. One person would take such a value for text and another for a
# number.
MERGE = "tag:yaml.org,2002:merge"
"""Tag of the YAML key `<<`, which inserts the entries of another mapping."""
FROM_TODAY = re.compile(r"\{(annee|mois|rentree)([+-]\d+)?\}")
"""Pattern of the placeholders in a case file for a year or month relative to today. `{annee-3}` is the year three years
ago, and `{rentree}` the year in which the current school year began."""

FolderState: TypeAlias = tuple[date, tuple[tuple[str, int, int], ...]]
"""State of a folder of case files: today's date, and each file's name, time of change (nanoseconds since 1970) and size
(bytes)."""


class Fault(Struct, frozen=True):
    """Fault in a case file (a recorded answer of the sandbox). `text` explains it to the file's author, without
    repeating a value of the file."""

    text: str
    at: tuple[str | int, ...] = ()
    """Keys and indexes that lead to the faulty value, such as `("params", "prenoms", 0)`; empty if unknown."""
    line: int = 0
    """Number of the faulty line in the file, from 1; 0 if unknown."""

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


class CaseError(Exception):
    """Error for an invalid case file (a recorded answer of the sandbox). `faults` explains to the file's author what is
    wrong."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


class Case(Struct, frozen=True):
    """Test case of the sandbox, read from a case file. The sandbox answers a call with the parameters `params` by the
    HTTP status `status` and the body `payload`."""

    name: str
    params: Mapping[str, Any]
    status: int
    payload: Raw
    description: str = ""
    person: str = ""
    """Name of the invented person; empty if the case file gives none."""
    family: str = ""
    """Name of the invented person's family; empty if the case file gives none."""


class Folder(Struct, frozen=True):
    """Content of one folder of case files: the test cases, and an error for each file that cannot be read."""

    cases: tuple[Case, ...]
    errors: tuple[tuple[str, str], ...]
    """Unreadable files: pairs of a file's name and a text that says why the file cannot be read."""

    def find(self, signature: Signature) -> Case | None:
        """Returns the test case whose parameters have this signature, or `None`. A signature is the form in which
        parameters are compared: for example, letter case does not matter."""
        return next((case for case in self.cases if signature_of_case(case.params) == signature), None)

    @property
    def default(self) -> Case | None:
        """Test case in `404.yaml`, which answers a lookup if no other case of the folder fits; `None` without this
        file."""
        return next((case for case in self.cases if case.name == DEFAULT_FILE), None)


class Casebook:
    """All test case files below a root folder, kept in memory. A changed file takes effect at the next request."""

    def __init__(self, root: Path, today: Callable[[], date] = paris_today) -> None:
        self.root = root
        self.today = today
        self._known: dict[str, tuple[FolderState, Folder]] = {}

    def folder(self, operation_id: str) -> Folder:
        """Returns the test cases of an operation: none if it has no folder. Reads the folder again if a file or the
        date has changed, and logs unreadable files."""
        path, today = self.root / operation_id, self.today()
        state = (today, _files_of(path))
        known = self._known.get(operation_id)
        if known is None or known[0] != state:
            known = (state, read_folder(path, today))
            self._known[operation_id] = known
            for name, error in known[1].errors:
                log.warning("case unreadable", extra={"operation": operation_id, "file": name, "error": error})
        return known[1]

    def read_all(self) -> None:
        """Reads every folder, so that unreadable files are logged at the start and not at the first lookup."""
        for path in sorted(self.root.iterdir()):
            if path.is_dir():
                self.folder(path.name)


def read_folder(path: Path, today: date) -> Folder:
    """Returns the test cases of a folder, and an error for each unreadable file. `today` is the date for placeholders
    such as `{annee-3}`. A missing folder has no test cases and no errors."""
    cases, errors = [], []
    for file in _files(path):
        try:
            cases.append(read_case(file, today))
        except CaseError as error:
            errors.append((file.name, str(error)))
    return Folder(tuple(cases), tuple(errors))


def read_case(file: Path, today: date) -> Case:
    """Returns the test case in a case file. `today` is the date for placeholders such as `{annee-3}`. Raises
    `CaseError` for an invalid file."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: no UTF-8
        raise CaseError(Fault(f"is not readable YAML ({type(error).__name__})")) from None
    return parse_case(file.name, text, today)


def parse_case(name: str, text: str, today: date) -> Case:
    """Returns the test case in the text of a case file. `today` is the date for placeholders such as `{annee-3}`.
    Raises `CaseError` for an invalid text."""
    try:
        content, misread = _loaded(dated(text, today))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise CaseError(Fault(f"is not readable YAML ({type(error).__name__})", line=line)) from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: a date of month 13
        raise CaseError(Fault(f"is not readable YAML ({type(error).__name__})")) from None
    if misread:
        raise CaseError(*misread)
    match content:
        case {"params": dict() as params, "status": int() as status, "payload": str() as payload} if status in STATUSES:
            texts = {key: content[key] for key in ("description", "person", "family") if key in content}
            described = {key: value for key, value in texts.items() if isinstance(value, str)}
            return Case(name, params, status, _json(payload), **described)
        case dict():
            raise CaseError(Fault("needs `params` (a mapping), `status` (an HTTP status) and `payload` (JSON text)"))
        case _:
            raise CaseError(Fault("is not a mapping"))


def composed(text: str) -> yaml.Node | None:
    """Returns the root node of a YAML text, or `None` for an empty text. Raises `CaseError` for too many levels or
    values, and `yaml.YAMLError` for a text that is not YAML."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise CaseError(Fault(f"has more than {MAX_DEPTH} levels", line=_line_of(event)))
    root: yaml.Node | None = yaml.compose(text, Loader=yaml.CSafeLoader)
    if root is not None and _count_values(root, {}) > MAX_VALUES:
        raise CaseError(Fault(f"has more than {MAX_VALUES} values"))
    return root


def _line_of(event: yaml.Event) -> int:
    """Returns the number, from 1, of the line at which an `event` of the YAML parser begins, or 0 if unknown."""
    return event.start_mark.line + 1 if event.start_mark else 0


def _count_values(node: yaml.Node, known: dict[int, int]) -> int:
    """Returns the number of values in a YAML node. An alias counts as all the values that it repeats. `known` holds the
    results for nodes already counted, by `id(node)`."""
    if id(node) not in known:
        known[id(node)] = MAX_VALUES + 1  # for an alias inside of what it repeats
        inner = [one for pair in node.value for one in pair] if isinstance(node, yaml.MappingNode) else node.value
        nested = inner if isinstance(node, yaml.CollectionNode) else ()
        known[id(node)] = 1 + sum(_count_values(one, known) for one in nested)
    return known[id(node)]


def dated(text: str, today: date) -> str:
    """Returns a text with each placeholder for a date replaced by a number: `{annee-3}` becomes 2023 if `today` is in
    2026."""
    now = {"annee": today.year, "mois": today.month, "rentree": today.year - (today.month < 9)}
    return FROM_TODAY.sub(lambda found: str(now[found[1]] + int(found[2] or 0)), text)


def _loaded(text: str) -> tuple[Any, list[Fault]]:
    """Returns the content of a YAML text, and the faults in it. With faults, the content is `None`. A fault is a
    repeated key, or a value that YAML changes (`010` becomes 8)."""
    loader = yaml.CSafeLoader(text)
    try:
        root = composed(text)
        if not isinstance(root, yaml.MappingNode):
            return (None if root is None else loader.construct_document(root)), []
        plain = [
            (name, scalar, _value(loader, scalar))
            for key, value in root.value
            if key.value in REQUIRED_KEYS
            for name, scalar in (*_scalars(key.value, key), *_scalars(key.value, value))
            if not scalar.style
        ]
        misread = [_misread(name, scalar) for name, scalar, value in plain if not _is_as_written(name, scalar, value)]
        misread += [_twice(key) for node in _mappings(root) for key in _repeated(node)]
        return (None if misread else loader.construct_document(root)), misread
    finally:
        loader.dispose()


def _value(loader: yaml.CSafeLoader, scalar: yaml.ScalarNode) -> Any:
    """Returns the value of a YAML scalar (a single value). Returns `None` if the scalar is invalid, such as a date in
    month 13."""
    with suppress(ValueError, yaml.constructor.ConstructorError):
        return loader.construct_object(scalar)
    return None


def _scalars(name: str, node: yaml.Node) -> Iterator[tuple[str, yaml.ScalarNode]]:
    """Yields each key and each single value in a YAML node, with the name of its key. `mois: [1, 2]` yields `mois`, 1
    and 2, each with the name `mois`. Values under no key get the name `name`."""
    # Keys are scalars too: each is paired with its own name. The key `<<` is left out, since it is an instruction to
    # YAML.
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
    """Returns the mappings of a case file in which no key may occur twice: the file itself, and the mappings directly
    under its keys."""
    return [root, *(value for _, value in root.value if isinstance(value, yaml.MappingNode))]


def _repeated(node: yaml.MappingNode) -> Iterator[yaml.Node]:
    """Yields each key of a mapping that repeats an earlier key."""
    # YAML would silently keep the last of them.
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                yield key
            seen.add(key.value)


def _twice(key: yaml.Node) -> Fault:
    return Fault(f"`{key.value}` is given twice", line=key.start_mark.line + 1)


def _is_as_written(name: str, scalar: yaml.ScalarNode, value: Any) -> bool:
    text = scalar.value
    match value:
        case str():
            return not NUMBER.fullmatch(text)
        case bool():
            return False
        case int():
            return str(value) == text or bool(MONTH_OR_DAY.fullmatch(name) and text.isdecimal() and int(text) == value)
        case _:
            return False


def _misread(name: str, scalar: yaml.ScalarNode) -> Fault:
    """Returns the fault of a value that YAML changes (`010` becomes 8). `name` is the key above the value."""
    # It names the key, not the value: files that are checked may hold data of real people.
    text = f"YAML does not read the value of `{name}` as it is written: quote it"
    return Fault(text, line=scalar.start_mark.line + 1)


def _json(text: str) -> Raw:
    try:
        return Raw(msgspec.json.encode(msgspec.json.decode(text)))
    except (msgspec.DecodeError, RecursionError):
        raise CaseError(Fault("`payload` is not JSON", ("payload",))) from None


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)


def _files_of(path: Path) -> tuple[tuple[str, int, int], ...]:
    # The size counts too: a file may change twice within one tick of the clock.
    files = []
    for file in _files(path):
        with suppress(FileNotFoundError):  # an editor's temporary file, already removed
            seen = file.stat()
            files.append((file.name, seen.st_mtime_ns, seen.st_size))
    return tuple(files)
