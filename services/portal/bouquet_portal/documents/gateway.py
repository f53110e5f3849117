"""The documents of one gateway, each with its last known value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import Struct

from bouquet_portal.documents import errors, openapi, states
from bouquet_portal.documents.client import Client, GatewayError
from bouquet_portal.documents.kept import Kept
from bouquet_portal.documents.model import ErrorCode, Operation, ResourceState
from bouquet_portal.environment import PortalSettings

T = TypeVar("T")


class Gateway(Struct, frozen=True):
    """Operations, errors and states that a gateway publishes, read in the background."""

    operations: Kept[tuple[Operation, ...]]
    errors: Kept[tuple[ErrorCode, ...]]
    states: Kept[Mapping[str, ResourceState]]
    client: Client

    @classmethod
    def of(cls, settings: PortalSettings) -> Gateway:
        """Returns the documents of the gateway that the settings name; nothing is read yet."""
        client = Client(settings.gateway_url, timeout_s=settings.gateway_timeout_s, cafile=settings.gateway_cafile)
        rarely, often = settings.documents_every_s, settings.states_every_s
        return cls(
            Kept("openapi", lambda: document(client, "/api/openapi.json", openapi.operations), every_s=rarely),
            Kept("errors", lambda: document(client, "/api/errors", errors.error_codes), every_s=rarely),
            Kept("states", lambda: states.read(client), every_s=often),
            client,
        )

    @property
    def documents(self) -> tuple[Kept[Any], ...]:
        return (self.operations, self.errors, self.states)

    def start(self) -> None:
        for kept in self.documents:
            kept.start()

    def stop(self) -> None:
        for kept in self.documents:
            kept.stop()
        self.client.close()


def document(client: Client, path: str, understand: Callable[[Any], T]) -> T:
    """Returns what a document of the gateway means. Raises `GatewayError` if the gateway does not answer with it."""
    answer = client.get(path, {"Accept-Encoding": "gzip"})
    if answer.status != 200:
        raise GatewayError(f"the gateway answers {path} with {answer.status}")
    try:
        return understand(answer.json())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GatewayError(f"the gateway's {path} has another form than expected") from error
