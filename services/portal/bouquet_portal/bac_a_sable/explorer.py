"""Invented people of the sandbox with the test cases about them, arranged as the explorer's pages show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from bouquet_portal.bac_a_sable.cases import Case, Cases, Person, SimulatedError
from bouquet_portal.content.model import Api
from bouquet_portal.documents.model import ErrorCode, Operation

MODALITIES = {
    "identite": "par état civil",
    "france_connect": "par FranceConnect",
    "ine": "par INE",
    "identifiant": "par identifiant",
    "": "version 2",
}
"""French label of each modality (way to identify a person), by its name. The best modality for new callers comes first.
The key "" stands for version 2."""


class OperationCase(Struct, frozen=True):
    """Test case of the sandbox, together with the operation that it calls."""

    case: Case
    operation: Operation

    @property
    def label(self) -> str:
        """Version of the operation, and the way in which it identifies the person, such as `v3, par état civil`."""
        by = MODALITIES.get(self.operation.modality, self.operation.modality)
        return f"{self.operation.version}, {by}" if self.operation.modality else by


class Topic(Struct, frozen=True):
    """Title of an API of the portal, with all test cases of the sandbox for this API."""

    title: str
    cases: tuple[OperationCase, ...]


class Row(Struct, frozen=True):
    """Row of a table: a person, with one test case about the person for each API. A cell without test case is None."""

    person: Person
    cells: tuple[OperationCase | None, ...]


class ErrorWithCall(Struct, frozen=True):
    """Documented error, with a call to `operation` that makes the sandbox return it. `operation` and `simulated` are
    None if the sandbox does not simulate the error."""

    error: ErrorCode
    operation: Operation | None = None
    simulated: SimulatedError | None = None


def by_topic(cases: Iterable[Case], operations: Sequence[Operation], apis: Iterable[Api]) -> tuple[Topic, ...]:
    """Returns the test cases grouped by API, each with its operation. Leaves out test cases of operations that are not
    in `operations`."""
    by_id = {operation.id: operation for operation in operations}
    titles = {resource: api.title for api in apis for resource in api.operations}
    topics: dict[str, list[OperationCase]] = {}
    for case in cases:
        operation = by_id.get(case.operation_id)
        if operation is not None:
            title = titles.get(operation.resource, operation.title)
            topics.setdefault(title, []).append(OperationCase(case, operation))
    return tuple(Topic(title, tuple(sorted(found, key=_sort_key))) for title, found in sorted(topics.items()))


def _sort_key(found: OperationCase) -> tuple[bool, int, int, int, str]:
    """Returns the sort key of a test case: not deprecated first, then in the order of `MODALITIES`, then newest version
    first."""
    operation = found.operation
    order = list(MODALITIES)
    rank = order.index(operation.modality) if operation.modality in order else len(order)
    return (operation.is_deprecated, rank, -operation.version_number, len(found.case.id), found.case.id)


def matrix(people: Iterable[Person], topics: Sequence[Topic]) -> Iterator[Row]:
    """Yields one row for each person. For each API in `topics`, the row has the person's first test case, or None."""
    for person in people:
        cells = (next((one for one in topic.cases if one.case.person == person.name), None) for topic in topics)
        yield Row(person, tuple(cells))


def distinct(operation_cases: Iterable[OperationCase]) -> Iterator[tuple[OperationCase, tuple[OperationCase, ...]]]:
    """Groups test cases about the same person with the same description. Yields a pair for each group: its first test
    case, and a tuple of its other test cases."""
    groups: dict[tuple[str, str], list[OperationCase]] = {}
    for one in operation_cases:
        groups.setdefault((one.case.person, one.case.description or one.case.id), []).append(one)
    for first, *others in groups.values():
        yield first, tuple(others)


def errors_with_calls(
    errors: Iterable[ErrorCode], cases: Cases, operations: Mapping[str, Operation]
) -> Iterator[ErrorWithCall]:
    """Yields each of `errors`, with a call that makes the sandbox return it. An error that the sandbox does not
    simulate has no call."""
    # Calls of operations that are not deprecated are preferred.
    # Among these, it prefers operations without FranceConnect session.
    preferred = sorted(
        (one for one in cases.errors if one.operation_id in operations),
        key=lambda one: (operations[one.operation_id].is_deprecated, operations[one.operation_id].is_by_session),
    )
    ways: dict[tuple[str, int], tuple[Operation, SimulatedError]] = {}
    for one in preferred:
        for found in one.errors:
            ways.setdefault((found.code, found.status), (operations[one.operation_id], found))
    for error in errors:
        operation, simulated = ways.get((error.code, error.status), (None, None))
        yield ErrorWithCall(error, operation, simulated)
