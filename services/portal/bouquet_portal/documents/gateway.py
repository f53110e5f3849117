"""Documents that one gateway publishes, each with its last known value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from bouquet_portal.documents import errors, openapi, states
from bouquet_portal.documents.archive import Archive
from bouquet_portal.documents.client import Client
from bouquet_portal.documents.document import Document
from bouquet_portal.documents.model import ErrorCode, Operation, ResourceState
from bouquet_portal.documents.refreshed_value import RefreshedValue
from bouquet_portal.environment import PortalSettings

States: TypeAlias = Mapping[str, ResourceState]
NoteStates: TypeAlias = Callable[[States], None]
T = TypeVar("T")


def ignore(states: States) -> None:
    """Does nothing with the states: the default of `note_states` in `Gateway.of`."""


def _noted(states: States, note: NoteStates) -> States:
    note(states)
    return states


def _without_deprecated(content: Any) -> bytes:
    """Returns the JSON of an OpenAPI document without its deprecated operations."""
    paths = {
        path: kept
        for path, methods in content["paths"].items()
        if (kept := {verb: method for verb, method in methods.items() if not method.get("deprecated")})
    }
    return msgspec.json.encode(content | {"paths": paths})


FILES: Mapping[str, tuple[str, Callable[[Any], bytes]]] = {
    "all": ("/api/openapi.json", msgspec.json.encode),
    "current": ("/api/openapi.json", _without_deprecated),
    "v2": ("/api/open-api-v2.yml", msgspec.json.encode),
    "v3": ("/api/open-api-v3.yml", msgspec.json.encode),
}
"""OpenAPI files that visitors may download, by name. Each has the path of the gateway's document, and a function that
makes the file from the decoded document."""


class Gateway(Struct, frozen=True):
    """Documents of a gateway, read in the background: operations, errors, states of APIs (such as out of service), and
    OpenAPI files."""

    operations: RefreshedValue[tuple[Operation, ...]]
    errors: RefreshedValue[tuple[ErrorCode, ...]]
    states: RefreshedValue[Mapping[str, ResourceState]]
    files: Mapping[str, RefreshedValue[bytes]]
    """Content of the OpenAPI files, by their names in `FILES`. A file is first read when a visitor requests it."""
    client: Client

    @classmethod
    def of(cls, settings: PortalSettings, note_states: NoteStates = ignore, archive: Archive | None = None) -> Gateway:
        """Returns the documents of the gateway that the settings name. The documents are read later, in the background.
        Each reading of the APIs' states calls `note_states`. `archive` stores all other documents."""
        client = Client(settings.gateway_url, timeout_s=settings.gateway_timeout_s, cafile=settings.gateway_cafile)

        def refreshed(name: str, path: str, parse: Callable[[Any], T]) -> RefreshedValue[T]:
            document = Document(client, path, parse, archive)
            return RefreshedValue(name, document.read, every_s=settings.documents_every_s, restore=document.restore)

        return cls(
            refreshed("openapi", "/api/openapi.json", openapi.operations),
            refreshed("errors", "/api/errors", errors.error_codes),
            RefreshedValue("states", lambda: _noted(states.read(client), note_states), every_s=settings.states_every_s),
            {name: refreshed(f"openapi-{name}", path, parse) for name, (path, parse) in FILES.items()},
            client,
        )

    @property
    def documents(self) -> tuple[RefreshedValue[Any], ...]:
        return (self.operations, self.errors, self.states)

    @property
    def _started(self) -> tuple[RefreshedValue[Any], ...]:
        return (*self.documents, *self.files.values())

    def start(self) -> None:
        for value in self.documents:
            value.start()

    def stop(self) -> None:
        for value in self._started:
            value.stop()
        self.client.close()
