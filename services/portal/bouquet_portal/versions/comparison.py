"""Comparison of the fields in the answers of two versions of an operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from bouquet_portal.documents.model import Operation


class Row(Struct, frozen=True):
    """Field that differs between a former version and the newest version: its path in each of them. The path is empty
    for a version without the field."""

    former: str
    newest: str


class Comparison(Struct, frozen=True):
    rows: tuple[Row, ...]
    """Fields that have different paths in the two versions, or that only one of them has."""
    unchanged: int
    """Number of fields with the same path in both versions."""


def compare(former: Iterable[Operation], newest: Iterable[Operation], renamed: Mapping[str, str]) -> Comparison:
    """Compares the fields of two versions. A field is unchanged if both versions have its path; any other field is
    paired with a field of the newest version if possible.

    Pairs are made in this order: by `renamed` (former path to new path), by paths that differ only in spelling, by the
    same name at the end of the path. The last two ways leave out a field if another field of its version has the same
    spelling or name.
    """
    old, new = _paths(former), _paths(newest)
    unchanged = [path for path in old if path in new]
    left_old, left_new = _without(old, unchanged), _without(new, unchanged)
    pairs = {path: renamed[path] for path in left_old if renamed.get(path) in new}
    left_old, left_new = _without(left_old, pairs), _without(left_new, pairs.values())
    for key in (_spelling, _name):
        theirs = _unique(left_new, key)
        found = {path: theirs[mark] for mark, path in _unique(left_old, key).items() if mark in theirs}
        pairs |= found
        left_old, left_new = _without(left_old, found), _without(left_new, found.values())
    rows = [Row(path, pairs.get(path, "")) for path in old if path not in unchanged]
    return Comparison((*rows, *(Row("", path) for path in left_new)), len(unchanged))


def _paths(operations: Iterable[Operation]) -> list[str]:
    """Returns the paths of all fields that contain no other fields, each path once."""
    fields = (field for operation in operations for field in operation.all_fields() if not field.children)
    return list(dict.fromkeys(field.path for field in fields))


def _without(paths: Iterable[str], others: Iterable[str]) -> list[str]:
    gone = set(others)
    return [path for path in paths if path not in gone]


def _spelling(path: str) -> str:
    return path.replace("_", "").replace("[]", "").lower()


def _name(path: str) -> str:
    return _spelling(path.rpartition(".")[2])


def _unique(paths: list[str], key: Callable[[str], str]) -> dict[str, str]:
    """Maps the result of `key` for each path to the path. Leaves out paths that have the same result as another
    path."""
    counts = Counter(map(key, paths))
    return {key(path): path for path in paths if counts[key(path)] == 1}
