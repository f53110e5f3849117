"""The documents that anybody may read: OpenAPI, the nomenclature of errors, and those that workers offer."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from msgspec import structs

from bouquet_gateway.errors.nomenclature import Nomenclature, nomenclature
from bouquet_gateway.offers.catalogue import Catalogue
from bouquet_gateway.offers.discovery import Discovery
from bouquet_gateway.paths import Envelope, envelope_of
from bouquet_gateway.public import openapi
from bouquet_gateway.public.encoded import Encoded, encoded, encoded_bytes


class Documents:
    """Each is made and encoded once for each change of offers."""

    def __init__(self, offers: Discovery, public_url: str = "", contact: str = "") -> None:
        """`public_url`: as callers reach the gateways, without a slash at its end; `contact`: who helps them."""
        self._offers = offers
        self._public_url = public_url
        self._contact = contact
        self._made_of: Catalogue | None = None
        self._made: dict[Hashable, Encoded] = {}
        self._errors: Nomenclature | None = None

    def openapi(self, envelope: Envelope | None = None) -> Encoded:
        """The document of every path that is offered, or of those with one envelope; with what is nobody's offer."""

        def make(catalogue: Catalogue) -> Encoded:
            paths = catalogue.by_path.items()
            chosen = {path: served for path, served in paths if envelope in (None, envelope_of(path))}
            return encoded(
                openapi.document(
                    chosen, server_url=self._public_url or "/", contact=self._contact, watched=catalogue.watched
                )
            )

        return self._once(("openapi", envelope), make)

    def errors(self, operation_id: str = "") -> Encoded | None:
        """The nomenclature, whole or with one operation alone; `None` for an operation that there is not."""
        whole = self._nomenclature()
        if not operation_id:
            return self._once("errors", lambda _: encoded(whole))
        endpoint = whole.endpoints.get(operation_id)
        if endpoint is None:
            return None
        alone = structs.replace(whole, endpoints={operation_id: endpoint})
        return self._once(("errors", operation_id), lambda _: encoded(alone))

    def offered(self, path: str) -> Encoded | None:
        """A worker's document at a tidy path; `None` where there is none."""
        document = self._offers.catalogue.documents.get(path)
        return None if document is None else self._once(("offered", path), lambda _: encoded_bytes(document))

    def _once(self, name: Hashable, make: Callable[[Catalogue], Encoded]) -> Encoded:
        catalogue = self._renew()
        if name not in self._made:
            self._made[name] = make(catalogue)
        return self._made[name]

    def _nomenclature(self) -> Nomenclature:
        catalogue = self._renew()
        if self._errors is None:
            self._errors = nomenclature(catalogue)
        return self._errors

    def _renew(self) -> Catalogue:
        catalogue = self._offers.catalogue
        if catalogue is not self._made_of:
            self._made_of, self._made, self._errors = catalogue, {}, None
        return catalogue
