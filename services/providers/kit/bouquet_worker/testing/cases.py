"""Test cases of the conformance suite. Each is a lookup with the reply that the worker must give, in a JSON file such
as `cases/dossier_open.json`."""
# A file holds one case, or one case per operation if several operations must give the same reply.

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

from bouquet_proto.identity import Identity
from bouquet_proto.messages import Failed, Found, NotFound, Parameter, Rejected

Answered: TypeAlias = Found | NotFound | Rejected | Failed


class Case(Struct, frozen=True, kw_only=True):
    """Test case: a lookup for one operation, with the reply that the operation's worker must give."""

    name: str
    """Name of the case in test reports: the name of its file. If the file lists several operations, the operation's id
    follows."""
    operation: str
    identity: Identity
    parameters: dict[str, Parameter] = {}
    reply: Answered


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    operation: str | tuple[str, ...]
    """Id of the operation, or ids of several operations that must all give the same reply."""
    identity: Identity
    parameters: dict[str, Parameter] = {}
    reply: Answered


def found(data: Any) -> Found:
    return Found(Raw(msgspec.json.encode(data)))


def cases_in(folder: Path) -> tuple[Case, ...]:
    """Returns the test cases in all `*.json` files of a folder. Raises `ValueError` if the folder has no such file, or
    if a file is malformed."""
    cases = tuple(case for path in sorted(folder.glob("*.json")) for case in _cases_of(path))
    if not cases:
        raise ValueError(f"{folder} has no case: no file is called *.json")
    return cases


def _cases_of(path: Path) -> Iterator[Case]:
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: {error}") from None
    operations = (file.operation,) if isinstance(file.operation, str) else file.operation
    for operation in operations:
        yield Case(
            name=path.stem if len(operations) == 1 else f"{path.stem}-{operation}",
            operation=operation,
            identity=file.identity,
            parameters=file.parameters,
            reply=file.reply,
        )
