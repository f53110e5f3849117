"""Cases: a question and the reply that it must have, in the words of the wire.

As files they are kept next to the provider, one each: `cases/dossier_open.json`.
"""

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
    name: str
    operation: str
    identity: Identity
    parameters: dict[str, Parameter] = {}
    reply: Answered


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    operation: str | tuple[str, ...]
    """Or several, that answer alike: versions, modalities."""
    identity: Identity
    parameters: dict[str, Parameter] = {}
    reply: Answered


def found(data: Any) -> Found:
    """The reply that holds `data`, for cases that are written in Python."""
    return Found(Raw(msgspec.json.encode(data)))


def cases_in(folder: Path) -> tuple[Case, ...]:
    """Of each `*.json`. Raises `ValueError` for a file that is no case, and for a folder without any."""
    cases = tuple(case for path in sorted(folder.glob("*.json")) for case in _cases_of(path))
    if not cases:
        raise ValueError(f"{folder} has no case: *.json")
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
