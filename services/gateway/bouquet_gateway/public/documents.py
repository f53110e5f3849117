"""The documents that anybody may read: OpenAPI, the nomenclature of errors, and those that workers offer."""

from __future__ import annotations

from typing import Any

from bouquet_gateway.errors.nomenclature import Entry, nomenclature
from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.paths import Envelope, envelope_of
from bouquet_gateway.public import openapi, openapi_statuses


class Documents:
    """An OpenAPI document is made once for each change of offers."""

    def __init__(self, offers: Discovery) -> None:
        self._offers = offers
        self._made_of: Catalogue | None = None
        self._openapi: dict[Envelope | None, dict[str, Any]] = {}

    def openapi(self, envelope: Envelope | None = None) -> dict[str, Any]:
        """The document of every path, or of those with one envelope. The statuses stand where the reference has them,
        with version 2."""
        catalogue = self._offers.catalogue
        if catalogue is not self._made_of:
            self._made_of, self._openapi = catalogue, {}
        if envelope not in self._openapi:
            paths = catalogue.by_path.items()
            chosen = {path: served for path, served in paths if envelope in (None, envelope_of(path))}
            more = openapi_statuses.paths(catalogue.watched) if envelope != "v3" else {}
            self._openapi[envelope] = openapi.document(chosen, more=more)
        return self._openapi[envelope]

    def errors(self, operation_id: str = "") -> list[Entry]:
        """The nomenclature, whole or of one operation."""
        return nomenclature(self._offers.catalogue, operation_id)

    def offered(self, path: str) -> bytes | None:
        """A worker's document at a tidy path, as JSON; `None` where there is none."""
        return self._offers.catalogue.documents.get(path)
