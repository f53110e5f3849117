"""Operations and their errors, and the state of each API (such as out of service), as pages show them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import Any, Literal

from msgspec import Struct

Fault = Literal["caller", "platform", "provider"]
"""Party that caused an error: the caller, the platform or the provider."""


class Parameter(Struct, frozen=True):
    """Parameter of an operation, such as one in the query string or in a header."""

    name: str
    location: Literal["query", "header", "path"]
    is_required: bool
    description: str
    kind: str
    """Type of the parameter's value in French words, such as `texte` or `liste de textes`."""
    example: Any = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    codes: tuple[str, ...] = ()
    """Codes of the errors that may be about this parameter."""


class Field(Struct, frozen=True):
    """Field of an answer. If a field has scopes, only callers with one of them receive it."""

    name: str
    path: str
    """Path of the field in the data. In `allocataires[].sexe`, `[]` stands for each object of a list."""
    kind: str
    description: str = ""
    scopes: tuple[str, ...] = ()
    """Scopes that give access to the field; a caller needs one of them. An entry `a&b` requires both scopes. A field
    without scopes of its own has the scopes of the object around it."""
    begins_scopes: bool = False
    """Whether the field's scopes differ from those of the object around it."""
    may_be_null: bool = False
    is_required: bool = False
    """Whether the object around the field always contains it, in an answer to a caller with all scopes."""
    choices: tuple[str, ...] = ()
    children: tuple[Field, ...] = ()
    is_list: bool = False
    depth: int = 0
    example: Any = None

    def is_open(self, scopes: Collection[str]) -> bool:
        """Returns whether a caller that holds `scopes` receives the field. One of the field's scopes is enough; a field
        without scopes is open to every caller."""
        return not self.scopes or any(set(one.split("&")) <= set(scopes) for one in self.scopes)

    def walk(self) -> Iterator[Field]:
        """Yields the field, then all fields in it."""
        yield self
        for child in self.children:
            yield from child.walk()


class Operation(Struct, frozen=True):
    """Operation of the gateway that returns data about a person."""

    id: str
    path: str
    title: str
    provider: str
    version: str
    """Version in the operation's path, such as `v3`."""
    resource: str
    """Middle of the operation's path, the same in all versions and modalities, such as `dss/quotient_familial`."""
    modality: str
    """Last part of the operation's path, such as `france_connect`: the way to identify the person. Empty in version
    2."""
    is_deprecated: bool
    scopes: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    fields: tuple[Field, ...]
    is_cached: bool
    """Whether the gateway may answer calls to the operation from its cache."""
    is_by_session: bool
    """Whether callers send the token of a citizen's FranceConnect session instead of their own token."""
    statuses: tuple[int, ...]
    description: str = ""
    ends_on: date | None = None
    """First day on which the deprecated operation is no longer guaranteed to work; None if no day is announced."""
    deprecated_on: date | None = None
    meta: tuple[Field, ...] = ()
    """Fields of the answer's `meta` that the OpenAPI document describes."""
    successor: str = ""
    """Path of the operation that replaces this deprecated one; empty if none does."""

    @property
    def credential(self) -> tuple[str, str]:
        """Name of the header that carries the token, and text before the token: `("Authorization", "Bearer ")`. In
        version 2 without FranceConnect, `("X-Api-Key", "")`."""
        by_key = self.version == "v2" and not self.is_by_session
        return ("X-Api-Key", "") if by_key else ("Authorization", "Bearer ")

    @property
    def version_number(self) -> int:
        return int(self.version.removeprefix("v"))

    def all_fields(self) -> Iterator[Field]:
        for field in self.fields:
            yield from field.walk()


class ErrorCause(Struct, frozen=True):
    detail: str
    fault: Fault
    retry: bool


class ErrorCode(Struct, frozen=True):
    """Error that operations, or the gateway itself, may return."""

    code: str
    status: int
    title: str
    provider: str
    """Name of the provider to which the error belongs; empty for an error of the platform."""
    causes: tuple[ErrorCause, ...]
    operation_ids: tuple[str, ...] = ()
    """Ids of the operations that may return the error; empty if all requests may get it."""


class ResourceState(Struct, frozen=True):
    """State of an API (working, out of service, in maintenance or unknown). The gateway derives it from the calls of
    the last minutes."""

    name: str
    state: Literal["ok", "bad_gateway", "maintenance", "unknown"]
    read_at: datetime
    last_ok: datetime | None = None
    until: datetime | None = None
    """End of the present maintenance; None if there is no maintenance, or if its end is not announced."""
