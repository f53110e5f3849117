"""Test cases that a sandbox gateway lists under `/bouquet/v1/sandbox/cases`."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

CallParameters: TypeAlias = dict[str, str | tuple[str, ...]]
"""Query parameters of a call, by name. A name that ends in `[]`, such as `prenoms[]`, has a tuple of values."""


class Case(Struct, frozen=True):
    """Test case of the sandbox: a call about an invented person, and the recorded answer."""

    # The sandbox has computed numbers in the answer, such as last year, on the day when the portal read the test case.

    id: str
    """Id of the operation and name of the test case, separated by a slash, such as `OPERATION/200_anne`."""
    operation_id: str
    status: int
    payload: Any
    description: str = ""
    person: str = ""
    family: str = ""
    parameters: CallParameters = {}
    sessions: tuple[str, ...] = ()
    """FranceConnect tokens with which a call gets this answer; empty for operations without FranceConnect."""
    is_default: bool = False
    code: str = ""

    @property
    def name(self) -> str:
        """Name of the test case, such as `200_anne`: the name of its file without the extension."""
        return self.id.partition("/")[2]

    @property
    def situation(self) -> str:
        """Description of the test case, without the name of the person at its beginning."""
        name, colon, rest = self.description.partition(" : ")
        if not colon or not rest:
            return self.description
        _, comma, apposition = name.partition(", ")
        return f"{rest[0].upper()}{rest[1:]}" + (f" ({apposition})" if comma and "," not in apposition else "")


class SimulatedError(Struct, frozen=True):
    """Error that the sandbox simulates on request. A call requests the error by the FranceConnect token `session` or,
    without a token, by `parameters`."""

    code: str
    status: int
    parameters: CallParameters = {}
    session: str = ""

    @property
    def identity(self) -> str:
        """Text that shows what a call must contain to get the error: the FranceConnect token or, without one, the
        parameters."""
        return self.session or ", ".join(
            f"{name} = {value if isinstance(value, str) else ', '.join(value)}"
            for name, value in self.parameters.items()
        )


class SimulatedErrors(Struct, frozen=True):
    """Errors that the sandbox simulates for one operation. To get an error, a call needs `parameters` and the error's
    own parameters."""

    operation_id: str
    errors: tuple[SimulatedError, ...]
    parameters: CallParameters = {}

    def with_code(self, code: str) -> SimulatedError | None:
        return next((error for error in self.errors if error.code == code), None)


class Session(Struct, frozen=True):
    """Simulated FranceConnect session of an invented citizen. To a call with `token`, the sandbox answers as if this
    citizen had logged in."""

    token: str
    scopes: tuple[str, ...]
    description: str = ""
    person: str = ""
    family: str = ""


class Person(Struct, frozen=True):
    """Invented person of the sandbox, with all test cases about this person."""

    slug: str
    """Last part of the URL of the person's page: the name without accents, its words joined by hyphens."""
    name: str
    family: str
    cases: tuple[Case, ...]
    sessions: tuple[Session, ...]


class Cases(Struct, frozen=True):
    """Content of a sandbox: its test cases, simulated errors and FranceConnect sessions."""

    cases: tuple[Case, ...]
    errors: tuple[SimulatedErrors, ...] = ()
    sessions: tuple[Session, ...] = ()

    def case(self, id: str) -> Case | None:
        return next((case for case in self.cases if case.id == id), None)

    def errors_of(self, operation_id: str) -> SimulatedErrors | None:
        return next((one for one in self.errors if one.operation_id == operation_id), None)

    def session(self, token: str) -> Session | None:
        return next((one for one in self.sessions if one.token == token), None)

    def people(self) -> tuple[Person, ...]:
        """Returns the invented people, grouped by family. The largest family comes first, and the people without family
        come last."""
        found: dict[str, list[Case]] = {}
        for case in self.cases:
            if case.person:
                found.setdefault(case.person, []).append(case)
        families = {case.person: case.family for case in self.cases}
        sizes: dict[str, int] = {}
        for name in found:
            sizes[families[name]] = sizes.get(families[name], 0) + bool(families[name])
        people = [
            Person(
                slug_of(name),
                name,
                families[name],
                tuple(cases),
                tuple(one for one in self.sessions if one.person == name),
            )
            for name, cases in found.items()
        ]
        return tuple(sorted(people, key=lambda one: (-sizes[one.family], one.family, -len(one.cases), one.name)))


def parse_cases(document: Mapping[str, Any]) -> Cases:
    """Converts the decoded JSON of `/bouquet/v1/sandbox/cases` to a struct. Raises `ValueError` if the document does
    not have the expected form."""
    return msgspec.convert(document, Cases)


def slug_of(name: str) -> str:
    """Returns a name in small letters without accents, with hyphens between its words."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "-".join("".join(letter if letter.isalnum() else " " for letter in plain).split())


def matching(cases: Iterable[Case], words: str) -> Iterator[Case]:
    """Yields the test cases whose texts contain all the words of a search. Accents and letter case make no
    difference."""
    wanted = slug_of(words).split("-")
    for case in cases:
        text = slug_of(f"{case.description} {case.person} {case.family} {case.code} {case.operation_id}")
        if all(word in text for word in wanted):
            yield case
