"""States of the fields of an answer. A state tells why a value is missing: for example, `closed` if the caller has none
of the field's scopes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Literal

from msgspec import Struct

from bouquet_portal.documents.model import Field

State = Literal["opened", "null", "closed", "absent", "empty"]
LABELS: dict[State, str] = {
    "opened": "ouvert",
    "null": "inconnu du fournisseur",
    "closed": "fermé",
    "absent": "absent",
    "empty": "liste vide",
}


class FieldState(Struct, frozen=True):
    """Field of an answer as a page shows it. Its state tells why a value is missing, such as `closed` for a missing
    scope."""

    path: str
    """Path of the field in the answer, such as `enfants[0].prenoms`."""
    state: State
    value: str = ""
    scopes: tuple[str, ...] = ()
    """Scopes that give access to the field; a caller needs only one of them."""
    kind: str = ""
    description: str = ""
    depth: int = 0

    @property
    def parent_path(self) -> str:
        """Path of the object that contains the field, with the dot after it, such as `enfants[0].`. Empty for a field
        at the top level."""
        return self.path[: -len(self.name)]

    @property
    def name(self) -> str:
        """Last part of the path, such as `enfants[0]`."""
        return self.path.rpartition(".")[2]

    @property
    def label(self) -> str:
        return LABELS[self.state]


def states_of(fields: Collection[Field], data: Any, scopes: Collection[str]) -> Iterator[FieldState]:
    """Yields each field of an operation's answer with its state. A field missing in `data` is `closed` if `scopes` give
    no access to it, otherwise `absent`."""
    yield from _states(fields, data, frozenset(scopes), "", 0)


def _states(
    fields: Collection[Field], data: Any, scopes: frozenset[str], prefix: str, depth: int
) -> Iterator[FieldState]:
    members = data if isinstance(data, dict) else {}
    for field in fields:
        path = f"{prefix}{field.name}"
        if field.name not in members:
            state: State = "absent" if field.is_open(scopes) else "closed"
            yield _state(field, path, state, depth)
        else:
            yield from _found(field, path, members[field.name], scopes, depth)


def _found(field: Field, path: str, value: Any, scopes: frozenset[str], depth: int) -> Iterator[FieldState]:
    match value:
        case None:
            yield _state(field, path, "null", depth)
        case []:
            yield _state(field, path, "empty", depth)
        case list() if field.children:
            for number, item in enumerate(value):
                yield _state(field, f"{path}[{number}]", "opened", depth)
                yield from _states(field.children, item, scopes, f"{path}[{number}].", depth + 1)
        case dict() if field.children:
            yield _state(field, path, "opened", depth)
            yield from _states(field.children, value, scopes, f"{path}.", depth + 1)
        case _:
            yield _state(field, path, "opened", depth, _written(value))


def _state(field: Field, path: str, state: State, depth: int, value: str = "") -> FieldState:
    return FieldState(path, state, value, field.scopes, field.kind, field.description, depth)


def _written(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return ", ".join(map(_written, value))
        case dict():
            return "{…}"
        case _:
            return str(value)
