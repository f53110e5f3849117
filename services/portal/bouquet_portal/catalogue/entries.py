"""APIs of the catalogue. Their texts come from content files, and their operations and states (such as out of service)
from the gateway."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property, lru_cache
from itertools import groupby
from typing import NamedTuple

from msgspec import Struct

from bouquet_portal import search
from bouquet_portal.content.model import Api, Content, UseCase
from bouquet_portal.documents.model import ErrorCode, Field, Operation, ResourceState
from bouquet_portal.documents.refreshed_value import Reading
from bouquet_portal.theme.words import MODALITIES, modality_name

BETWEEN_NAMES = re.compile(r", | & | et (?=[A-ZÀ-Þ])")
"""Pattern of the separators between providers' names in a text: a comma, `&`, or `et` before a capital letter."""
# Before a small letter, `et` belongs to a name.
SEVERITY = ("bad_gateway", "maintenance", "unknown", "ok")
"""States of an API, worst first. `bad_gateway` stands for out of service."""


class Version(NamedTuple):
    """Version of an API, with its operations: one for each modality (way to identify the person)."""

    name: str
    operations: tuple[Operation, ...]

    @property
    def is_deprecated(self) -> bool:
        return all(operation.is_deprecated for operation in self.operations)

    @property
    def ends_on(self) -> date | None:
        """Day on which the version's last operation ends; None if an operation has no announced end."""
        days = [operation.ends_on for operation in self.operations]
        return max((day for day in days if day), default=None) if all(days) else None


class Entry:
    """API in the catalogue. Its texts come from its content file or, without one, from the gateway's documents."""

    def __init__(self, uid: str, operations: Sequence[Operation], api: Api | None = None) -> None:
        self.uid = uid
        self.api = api
        self.operations = tuple(operations)

    @cached_property
    def title(self) -> str:
        return self.api.title if self.api else self.newest.operations[0].title

    @cached_property
    def provider(self) -> str:
        return self.api.provider if self.api else self.newest.operations[0].provider

    @property
    def summary(self) -> str:
        return self.api.summary if self.api else f"Données fournies par : {self.provider}."

    @property
    def badges(self) -> tuple[str, ...]:
        return self.api.badges if self.api else ()

    @property
    def is_incoming(self) -> bool:
        return bool(self.api and self.api.is_incoming)

    @property
    def is_served(self) -> bool:
        return bool(self.operations)

    @cached_property
    def is_deprecated(self) -> bool:
        deprecated = bool(self.operations) and all(operation.is_deprecated for operation in self.operations)
        return deprecated or "deprecated" in self.badges

    @cached_property
    def versions(self) -> tuple[Version, ...]:
        """Versions of the API, newest first."""
        ordered = sorted(
            self.operations,
            key=lambda one: (
                -one.version_number,
                list(MODALITIES).index(one.modality) if one.modality in MODALITIES else 99,
                one.path,
            ),
        )
        return tuple(Version(name, tuple(group)) for name, group in groupby(ordered, key=lambda one: one.version))

    @property
    def newest(self) -> Version:
        return self.versions[0]

    @cached_property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities (ways to identify a person) in the newest version."""
        if not self.operations:
            return ()
        return tuple(modality_name(one.modality) for one in self.newest.operations if one.modality)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the API's answers in the newest version, from the operation with the most fields."""
        return max((tuple(one.all_fields()) for one in self.newest.operations), key=_length)

    @cached_property
    def scopes(self) -> Mapping[str, tuple[Field, ...]]:
        """Fields of the newest version to which each scope gives access, by the scope's name. If a scope gives access
        to a whole object, only the object is listed."""
        names = dict.fromkeys(scope for one in self.newest.operations for scope in one.scopes)
        return {name: tuple(_opened(self.newest.operations, name)) for name in names}

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Texts in which a search of the catalogue looks for words, in lower case without accents. The title comes
        first."""
        # Then follow keywords, provider and summary, sections, and fields.
        api = self.api
        fields = (f"{field.name} {field.description}" for field in self.fields) if self.operations else ()
        parts = (
            [self.title],
            api.keywords if api else (),
            [self.provider, self.summary],
            [section.plain for section in api.sections.values()] if api else (),
            fields,
        )
        return tuple(search.simplified(" ".join(part)) for part in parts)


def _length(fields: tuple[Field, ...]) -> int:
    return len(fields)


def _opened(operations: Iterable[Operation], scope: str) -> Iterator[Field]:
    seen: set[str] = set()
    for operation in operations:
        for field in operation.all_fields():
            around = any(field.path.startswith(f"{path}.") for path in seen)
            if any(scope in one.split("&") for one in field.scopes) and field.path not in seen and not around:
                seen.add(field.path)
                yield field


@lru_cache(maxsize=4)
def entries(content: Content, read: Reading[tuple[Operation, ...]] | None) -> tuple[Entry, ...]:
    """Returns all APIs of the catalogue. APIs with a content file come first. `read` holds the operations last read
    from the gateway; None before the first reading."""
    # The first are in the order of `content`, the others are sorted by title.
    by_resource: dict[str, list[Operation]] = {}
    for operation in read.value if read else ():
        by_resource.setdefault(operation.resource, []).append(operation)
    known = [
        Entry(api.uid, [one for resource in api.operations for one in by_resource.pop(resource, ())], api)
        for api in content.apis
    ]
    others = [Entry(resource, group) for resource, group in by_resource.items()]
    return (*known, *sorted(others, key=lambda entry: search.simplified(entry.title)))


class Filters(Struct, frozen=True):
    """Filters that a visitor of the catalogue has chosen. An empty text means no filter."""

    query: str = ""
    provider: str = ""
    modality: str = ""
    use_case: str = ""
    with_deprecated: bool = False

    @property
    def is_empty(self) -> bool:
        return self == Filters()


def filtered(all_entries: Iterable[Entry], filters: Filters, use_cases: Iterable[UseCase]) -> list[Entry]:
    """Returns the APIs that match the filters, best matches first. `use_cases` tell which APIs belong to the use case
    in the filters."""
    words = search.words(filters.query)
    case = next((case for case in use_cases if case.id == filters.use_case), None)
    used = {use.uid for use in case.apis if use.level != "injustifiee"} if case else set()
    found = []
    for entry in all_entries:
        place = search.rank(words, *entry.texts)
        if (
            place is not None
            and (not filters.provider or filters.provider in providers(entry))
            and (not filters.modality or filters.modality in entry.modalities)
            and (case is None or entry.uid in used)
            and (filters.with_deprecated or not entry.is_deprecated)
        ):
            found.append((place, entry))
    return [entry for _, entry in sorted(found, key=lambda pair: pair[0])]


def providers(entry: Entry) -> tuple[str, ...]:
    """Returns the names of an API's providers one by one: `CAF` and `MSA` for the text `CAF et MSA`."""
    return tuple(name.strip() for name in BETWEEN_NAMES.split(entry.provider))


def state_of(entry: Entry, states: Mapping[str, ResourceState]) -> ResourceState | None:
    """Returns the state of an API: the worst state of its resources. Returns None if the gateway reports none."""
    names = entry.api.state_names if entry.api else ()
    found = [states[name] for name in names if name in states]
    return min(found, key=lambda one: SEVERITY.index(one.state)) if found else None


def errors_of(operations: Iterable[Operation], errors: Iterable[ErrorCode]) -> list[ErrorCode]:
    """Returns the errors that are documented for these operations. Leaves out errors that all requests may get."""
    ids = {operation.id for operation in operations}
    return [error for error in errors if ids.intersection(error.operation_ids)]
