"""Interface of the archive, which stores gateways' documents so that they are available after a restart."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from msgspec import Struct


class ArchivedBody(Struct, frozen=True):
    body: bytes
    at: datetime
    """Time at which the gateway last sent the document, or said that it was unchanged."""


class Archive(Protocol):
    """Store of the last document read from each URL. Its methods raise no exception. A document that cannot be loaded
    counts as missing."""

    def load(self, url: str) -> ArchivedBody | None: ...

    def save(self, url: str, body: bytes) -> None: ...

    def confirm(self, url: str) -> None:
        """Records that the stored document of `url` is still current."""


class NoArchive:
    """Archive that stores nothing."""

    def load(self, url: str) -> None:
        return None

    def save(self, url: str, body: bytes) -> None:
        pass

    def confirm(self, url: str) -> None:
        pass
